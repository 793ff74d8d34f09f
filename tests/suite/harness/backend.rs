//! The three databases and the locations of their servers.

use std::{
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant},
};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

use super::{guard::Guard, mysql, postgres};

/// Prefix of the names of test databases; the id of the creating process follows.
pub const PREFIX: &str = "marketsvc_test";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
    Mysql,
}

impl Backend {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// Returns true if tests on this database can run on this machine.
    pub fn is_available(self) -> bool {
        match self {
            Self::Sqlite => true,
            Self::Postgres => self.url_from_environment().is_some() || postgres::is_installed(),
            Self::Mysql => self.url_from_environment().is_some() || mysql::is_installed(),
        }
    }

    /// Returns true if `TEST_REQUIRE` names this database.
    pub fn is_required(self) -> bool {
        let required = std::env::var("TEST_REQUIRE").unwrap_or_default();
        let mut names = required.split(',').map(str::trim).filter(|name| !name.is_empty());
        let known = ["sqlite", "postgres", "mysql"];
        let unknown = names.clone().find(|name| !known.contains(name));
        assert_eq!(unknown, None, "TEST_REQUIRE may contain {known:?}");
        names.any(|name| name == self.name())
    }

    /// Returns the URL of the administrative database of the server. The first call starts the server.
    pub fn server_url(self) -> &'static str {
        static POSTGRES: OnceLock<Started> = OnceLock::new();
        static MYSQL: OnceLock<Started> = OnceLock::new();
        let started = match self {
            Self::Postgres => &POSTGRES,
            Self::Mysql => &MYSQL,
            Self::Sqlite => panic!("SQLite has no server"),
        };
        let started = started.get_or_init(|| {
            let started = if let Some(url) = self.url_from_environment() {
                Started { url, _guard: None }
            } else {
                let (url, guard) = match self {
                    Self::Postgres => postgres::start(false),
                    _ => mysql::start(false),
                };
                Started { url, _guard: Some(guard) }
            };
            wait_and_clean_up(&started.url);
            started
        });
        &started.url
    }

    fn url_from_environment(self) -> Option<String> {
        std::env::var(format!("TEST_{}_URL", self.name().to_uppercase())).ok()
    }
}

struct Started {
    url: String,
    _guard: Option<Guard>,
}

/// Opens a single connection for a test.
pub async fn connect(url: &str) -> Result<DatabaseConnection, sea_orm::DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false).acquire_timeout(Duration::from_secs(2));
    Database::connect(options).await
}

/// Waits until the server accepts connections, then drops the databases left by earlier test processes.
fn wait_and_clean_up(url: &str) {
    let url = url.to_owned();
    // The caller may already run inside a runtime, which cannot block; hence the thread.
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime should start").block_on(async {
            let db = wait(&url).await;
            drop_leftovers(&db).await.expect("leftovers should be droppable");
            db.close().await.expect("closing never fails");
        });
    });
    thread.join().expect("the database server should accept connections");
}

/// Waits until the server accepts connections and returns one.
pub async fn wait(url: &str) -> DatabaseConnection {
    let started = Instant::now();
    loop {
        match connect(url).await {
            Ok(db) => return db,
            Err(error) if started.elapsed() > Duration::from_mins(1) => panic!("{url}: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn drop_leftovers(db: &DatabaseConnection) -> Result<(), sea_orm::DbErr> {
    let backend = db.get_database_backend();
    let list = match backend {
        sea_orm::DbBackend::Postgres => "SELECT datname AS name FROM pg_database",
        _ => "SELECT schema_name AS name FROM information_schema.schemata",
    };
    for row in db.query_all_raw(Statement::from_string(backend, list)).await? {
        let name: String = row.try_get("", "name")?;
        if creator_pid(&name).is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
        {
            db.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name}")).await?;
        }
    }
    Ok(())
}

/// Returns the id of the process that created the database, from a name of the form `PREFIX_PID_COUNT`.
fn creator_pid(name: &str) -> Option<u32> {
    let (pid, count) = name.strip_prefix(PREFIX)?.strip_prefix('_')?.split_once('_')?;
    count.parse::<u32>().ok()?;
    pid.parse().ok()
}
