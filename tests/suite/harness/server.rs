//! A database server for a single test, which can be killed.

use sea_orm::ConnectionTrait;

use super::{
    backend::{Backend, wait},
    database::TestDatabase,
    guard::Guard,
    mysql, postgres,
};

/// A durable database server. It stops when this is dropped.
pub struct Server {
    /// An empty database on the server.
    pub db: TestDatabase,
    url: String,
    guard: Guard,
}

impl Server {
    /// Starts a server; returns `None` if its programs are not installed.
    pub async fn start(backend: Backend) -> Option<Self> {
        let (url, guard) = match backend {
            Backend::Postgres if postgres::is_installed() => postgres::start(true),
            Backend::Mysql if mysql::is_installed() => mysql::start(true),
            _ => return None,
        };
        let first = wait(&url).await;
        let (server, _) = url.rsplit_once('/').expect("a URL has a slash");
        let db = TestDatabase::at(backend, format!("{server}/market"));
        first
            .execute_unprepared("CREATE DATABASE market")
            .await
            .expect("the new server has no database of this name");
        first.close().await.expect("closing never fails");
        Some(Self { db, url, guard })
    }

    /// Kills the server with SIGKILL. Linux only.
    pub fn kill(&self) {
        self.guard.kill();
    }

    /// Starts the server again after [`Self::kill`] and waits until it accepts connections.
    pub async fn start_again(&mut self) {
        self.guard.start_again();
        wait(&self.url).await.close().await.expect("closing never fails");
    }

    /// Returns the URL with a user to whom [`Self::set_read_only`] applies: on MySQL it does not to administrators.
    pub async fn user_url(&self) -> String {
        if self.db.backend != Backend::Mysql {
            return self.db.url.clone();
        }
        for statement in [
            "CREATE USER IF NOT EXISTS market@'%' IDENTIFIED BY 'market'",
            "GRANT ALL PRIVILEGES ON market.* TO market@'%'",
        ] {
            self.db.execute(statement).await.expect(statement);
        }
        let (_, host) = self.db.url.split_once('@').expect("the URL has a user");
        format!("mysql://market:market@{host}")
    }

    /// Makes the server refuse writes, or accept them again.
    pub async fn set_read_only(&self, is_read_only: bool) {
        let number = u8::from(is_read_only);
        let statements = match self.db.backend {
            Backend::Mysql => vec![format!("SET GLOBAL read_only = {number}")],
            _ => vec![
                format!("ALTER SYSTEM SET default_transaction_read_only = {number}"),
                "SELECT pg_reload_conf()".to_owned(),
            ],
        };
        for statement in statements {
            self.db.execute(&statement).await.expect(&statement);
        }
    }
}
