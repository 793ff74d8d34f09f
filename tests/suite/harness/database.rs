//! The database of a test, and the programs run on it.

use std::{
    path::Path,
    process::Output,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};
use tempfile::TempDir;

use super::{
    app::App,
    backend::{Backend, PREFIX, connect},
    proxy::Proxy,
};

/// The program under test.
pub const MARKETSVC: &str = env!("CARGO_BIN_EXE_marketsvc-under-test");
/// The migration crate's own program.
pub const MIGRATION: &str = env!("CARGO_BIN_EXE_migration-under-test");

/// An empty database, without a schema.
pub struct TestDatabase {
    pub backend: Backend,
    pub url: String,
    name: String,
    _directory: Option<TempDir>,
}

impl TestDatabase {
    /// Creates an empty database with a unique name.
    pub async fn create(backend: Backend) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{PREFIX}_{}_{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        if backend == Backend::Sqlite {
            let directory = TempDir::new().expect("a temporary directory should be creatable");
            let url = format!("sqlite://{}/{name}.db?mode=rwc", directory.path().display());
            return Self { backend, url, name, _directory: Some(directory) };
        }
        // An ICU locale, if the server supports it, sorts text in an order other than that of code points.
        let create = format!("CREATE DATABASE {name}");
        let icu = format!("{create} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'");
        if backend != Backend::Postgres || try_on_server(backend, &icu).await.is_err() {
            on_server(backend, &create).await;
        }
        let (server, _) = backend.server_url().rsplit_once('/').expect("a URL has a slash");
        let url = format!("{server}/{name}");
        Self { backend, url, name, _directory: None }
    }

    /// Refers to the database at `url`, which the harness neither creates nor removes.
    pub fn at(backend: Backend, url: String) -> Self {
        Self { backend, url, name: String::new(), _directory: None }
    }

    /// Drops the database, even while clients are connected.
    pub async fn remove(&self) {
        match self.backend {
            Backend::Sqlite => {}
            Backend::Postgres => {
                on_server(self.backend, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
            }
            Backend::Mysql => {
                on_server(self.backend, &format!("DROP DATABASE {}", self.name)).await;
            }
        }
    }

    /// Starts a server on the tutorial's demo data.
    pub async fn serve_demo(&self) -> App {
        self.serve(&["--demo"]).await
    }

    /// Starts `marketsvc serve --echo` with `args`.
    pub async fn serve(&self, args: &[&str]) -> App {
        App::start(&self.url, args).await
    }

    /// Runs `marketsvc` with `args` to its end.
    pub async fn run(&self, args: &[&str]) -> Output {
        run(MARKETSVC, &self.url, args).await
    }

    /// Runs `marketsvc` with `args`, asserts success and returns the standard output.
    pub async fn run_ok(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("output should be UTF-8")
    }

    /// `marketsvc seed generate`, after `migrate up`.
    pub async fn generate(&self, customers: u32, items: u32, orders: u32, seed: u64) {
        self.run_ok(&["migrate", "up"]).await;
        let [customers, items, orders] = [customers, items, orders].map(|n| n.to_string());
        let seed = seed.to_string();
        self.run_ok(&[
            "seed",
            "generate",
            "--customers",
            &customers,
            "--items",
            &items,
            "--orders",
            &orders,
            "--seed",
            &seed,
        ])
        .await;
    }

    /// Opens a connection that bypasses the service.
    pub async fn connect(&self) -> DatabaseConnection {
        connect(&self.url).await.expect("the database should be there")
    }

    /// Starts a proxy in front of the database server and returns it with the URL through it.
    pub async fn behind_proxy(&self) -> (Proxy, String) {
        let (rest, name) = self.url.rsplit_once('/').expect("a URL has a slash");
        let (credentials, server) = rest.rsplit_once('@').expect("a server has users");
        let proxy = Proxy::start(server).await;
        let url = format!("{credentials}@{}/{name}", proxy.address);
        (proxy, url)
    }

    /// Starts a proxy as [`Self::behind_proxy`] does. The URL turns TLS off, so that the proxy can find statements in what
    /// it passes.
    pub async fn in_plain_text_behind_proxy(&self) -> (Proxy, String) {
        // A login of `caching_sha2_password` without TLS needs an earlier one with it, which the harness had.
        let option = match self.backend {
            Backend::Mysql => "ssl-mode=DISABLED",
            _ => "sslmode=disable",
        };
        let (proxy, url) = self.behind_proxy().await;
        (proxy, format!("{url}?{option}"))
    }

    /// Executes a statement that bypasses the service.
    pub async fn execute(&self, sql: &str) -> Result<(), DbErr> {
        self.connect().await.execute_unprepared(sql).await.map(drop)
    }

    /// Returns the number that `sql` selects in a column named `n`.
    pub async fn number(&self, sql: &str) -> i64 {
        let db = self.connect().await;
        let statement = Statement::from_string(db.get_database_backend(), sql);
        let row = db.query_one_raw(statement).await.expect(sql).expect("there should be a row");
        row.try_get("", "n").expect("n should be a number")
    }

    /// Returns the path of a SQLite database.
    pub fn file(&self) -> &Path {
        let path = self.url.strip_prefix("sqlite://").expect("only SQLite has a file");
        Path::new(path.split('?').next().unwrap_or_default())
    }

    /// Asserts the integrity of a SQLite file.
    pub async fn check_file(&self) {
        let db = self.connect().await;
        let check = Statement::from_string(db.get_database_backend(), "PRAGMA integrity_check");
        let row = db.query_one_raw(check).await.expect("the file should be readable");
        let verdict: String =
            row.expect("a result").try_get_by_index(0).expect("the result is text");
        assert_eq!(verdict, "ok");
    }

    /// Returns the number of rows in `table`.
    pub async fn count(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) AS n FROM {table}")).await
    }
}

/// Runs a program on a database to its end.
pub async fn run(program: &str, url: &str, args: &[&str]) -> Output {
    tokio::process::Command::new(program)
        .args(args)
        .env("DATABASE_URL", url)
        .env_remove("RUST_LOG")
        .kill_on_drop(true)
        .output()
        .await
        .expect("the program should start")
}

/// Returns the standard error output of a program as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn on_server(backend: Backend, sql: &str) {
    try_on_server(backend, sql).await.expect(sql);
}

async fn try_on_server(backend: Backend, sql: &str) -> Result<(), DbErr> {
    let server = connect(backend.server_url()).await?;
    let outcome = server.execute_unprepared(sql).await.map(drop);
    server.close().await?;
    outcome
}
