//! A database server of one test's own, which can be killed.

use sea_orm::ConnectionTrait;

use super::{
    backend::{Backend, wait},
    database::TestDatabase,
    guard::Guard,
    mysql, postgres,
};

/// A server that loses nothing it has committed. Dropping it stops it.
pub struct Server {
    /// An empty database on it.
    pub db: TestDatabase,
    url: String,
    guard: Guard,
}

impl Server {
    /// Starts one, if its programs are on this machine.
    pub async fn start(backend: Backend) -> Option<Self> {
        let (url, guard) = match backend {
            Backend::Postgres if postgres::is_installed() => postgres::start(true),
            Backend::Mysql if mysql::is_installed() => mysql::start(true),
            _ => return None,
        };
        let first = wait(&url).await;
        let (server, _) = url.rsplit_once('/').expect("a URL has a slash");
        let db = TestDatabase::at(backend, format!("{server}/market"));
        first.execute_unprepared("CREATE DATABASE market").await.expect("there is none yet");
        first.close().await.expect("closing never fails");
        Some(Self { db, url, guard })
    }

    /// Ends it in the midst of what it does. Linux.
    pub fn kill(&self) {
        self.guard.kill();
    }

    /// Starts it again after [`Self::kill`], and waits until it answers.
    pub async fn start_again(&mut self) {
        self.guard.start_again();
        wait(&self.url).await.close().await.expect("closing never fails");
    }
}
