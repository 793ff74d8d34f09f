//! The three databases, and where their servers are.

use std::{
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant},
};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

use super::{guard::Guard, mysql, postgres};

/// What databases of tests are called: with the number of the process that made them.
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

    /// Whether tests on it can run here.
    pub fn is_available(self) -> bool {
        match self {
            Self::Sqlite => true,
            Self::Postgres => self.given().is_some() || postgres::is_installed(),
            Self::Mysql => self.given().is_some() || mysql::is_installed(),
        }
    }

    /// Whether `TEST_REQUIRE` asks for it.
    pub fn is_required(self) -> bool {
        let required = std::env::var("TEST_REQUIRE").unwrap_or_default();
        let mut names = required.split(',').map(str::trim).filter(|name| !name.is_empty());
        let known = ["sqlite", "postgres", "mysql"];
        let unknown = names.clone().find(|name| !known.contains(name));
        assert_eq!(unknown, None, "TEST_REQUIRE knows {known:?}");
        names.any(|name| name == self.name())
    }

    /// The URL of a database on its server, which is started by whoever asks first.
    pub fn server_url(self) -> &'static str {
        static POSTGRES: OnceLock<Started> = OnceLock::new();
        static MYSQL: OnceLock<Started> = OnceLock::new();
        let started = match self {
            Self::Postgres => &POSTGRES,
            Self::Mysql => &MYSQL,
            Self::Sqlite => panic!("SQLite has no server"),
        };
        let started = started.get_or_init(|| {
            let started = if let Some(url) = self.given() {
                Started { url, _guard: None }
            } else {
                let (url, guard) = match self {
                    Self::Postgres => postgres::start(false),
                    _ => mysql::start(false),
                };
                Started { url, _guard: Some(guard) }
            };
            wait_and_sweep(&started.url);
            started
        });
        &started.url
    }

    fn given(self) -> Option<String> {
        std::env::var(format!("TEST_{}_URL", self.name().to_uppercase())).ok()
    }
}

struct Started {
    url: String,
    _guard: Option<Guard>,
}

/// A connection of a test's own.
pub async fn connect(url: &str) -> Result<DatabaseConnection, sea_orm::DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false).acquire_timeout(Duration::from_secs(2));
    Database::connect(options).await
}

/// Waits until the server answers, then drops what dead test processes left there.
fn wait_and_sweep(url: &str) {
    let url = url.to_owned();
    // The first to ask may be within a runtime already.
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime should start").block_on(async {
            let db = wait(&url).await;
            sweep(&db).await.expect("leftovers should be droppable");
            db.close().await.expect("closing never fails");
        });
    });
    thread.join().expect("the server should answer");
}

/// A connection, once the server answers.
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

async fn sweep(db: &DatabaseConnection) -> Result<(), sea_orm::DbErr> {
    let backend = db.get_database_backend();
    let list = match backend {
        sea_orm::DbBackend::Postgres => "SELECT datname AS name FROM pg_database",
        _ => "SELECT schema_name AS name FROM information_schema.schemata",
    };
    for row in db.query_all_raw(Statement::from_string(backend, list)).await? {
        let name: String = row.try_get("", "name")?;
        if maker(&name).is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            db.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name}")).await?;
        }
    }
    Ok(())
}

/// The process that made the database of this name: `PREFIX_PID_COUNT` and nothing else.
fn maker(name: &str) -> Option<u32> {
    let (pid, count) = name.strip_prefix(PREFIX)?.strip_prefix('_')?.split_once('_')?;
    count.parse::<u32>().ok()?;
    pid.parse().ok()
}
