//! A database for one test.

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
    /// Makes one.
    pub async fn create(backend: Backend) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{PREFIX}_{}_{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        if backend == Backend::Sqlite {
            let directory = TempDir::new().expect("there should be a place for temporary files");
            let url = format!("sqlite://{}/{name}.db?mode=rwc", directory.path().display());
            return Self { backend, url, name, _directory: Some(directory) };
        }
        // One that sorts text otherwise than by code points, if the server has it.
        let create = format!("CREATE DATABASE {name}");
        let icu = format!("{create} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'");
        if backend != Backend::Postgres || try_on_server(backend, &icu).await.is_err() {
            on_server(backend, &create).await;
        }
        let (server, _) = backend.server_url().rsplit_once('/').expect("a URL has a slash");
        let url = format!("{server}/{name}");
        Self { backend, url, name, _directory: None }
    }

    /// One that is made by whoever opens it, or was made before, and is not to be removed.
    pub fn at(backend: Backend, url: String) -> Self {
        Self { backend, url, name: String::new(), _directory: None }
    }

    /// Drops it, whoever is connected.
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

    /// A server on the tutorial's rows.
    pub async fn serve_demo(&self) -> App {
        self.serve(&["--demo"]).await
    }

    /// `marketsvc serve` with `args`, which logs its SQL.
    pub async fn serve(&self, args: &[&str]) -> App {
        App::start(&self.url, args).await
    }

    /// `marketsvc` with `args`, to its end.
    pub async fn run(&self, args: &[&str]) -> Output {
        run(MARKETSVC, &self.url, args).await
    }

    /// `marketsvc` with `args`, which must succeed.
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

    /// A connection past the service.
    pub async fn connect(&self) -> DatabaseConnection {
        connect(&self.url).await.expect("the database should be there")
    }

    /// The way to it through a proxy that can be cut.
    pub async fn behind_proxy(&self) -> (Proxy, String) {
        let (rest, name) = self.url.rsplit_once('/').expect("a URL has a slash");
        let (credentials, server) = rest.rsplit_once('@').expect("a server has users");
        let proxy = Proxy::start(server).await;
        let url = format!("{credentials}@{}/{name}", proxy.address);
        (proxy, url)
    }

    /// Changes rows past the service.
    pub async fn execute(&self, sql: &str) -> Result<(), DbErr> {
        self.connect().await.execute_unprepared(sql).await.map(drop)
    }

    /// The one number that `sql`, an expression named `n`, selects.
    pub async fn number(&self, sql: &str) -> i64 {
        let db = self.connect().await;
        let statement = Statement::from_string(db.get_database_backend(), sql);
        let row = db.query_one_raw(statement).await.expect(sql).expect("there should be a row");
        row.try_get("", "n").expect("n should be a number")
    }

    /// The file of a SQLite database.
    pub fn file(&self) -> &Path {
        let path = self.url.strip_prefix("sqlite://").expect("only SQLite has a file");
        Path::new(path.split('?').next().unwrap_or_default())
    }

    /// Has SQLite look at every page of its file.
    pub async fn check_file(&self) {
        let db = self.connect().await;
        let check = Statement::from_string(db.get_database_backend(), "PRAGMA integrity_check");
        let row = db.query_one_raw(check).await.expect("it should be readable");
        let verdict: String = row.expect("a verdict").try_get_by_index(0).expect("is a text");
        assert_eq!(verdict, "ok");
    }

    /// How many rows `table` has.
    pub async fn count(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) AS n FROM {table}")).await
    }
}

/// A program on a database, to its end.
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

/// What a program said of itself.
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
