//! Database for unit tests: a SQLite file with the schema and the demo data.

use std::time::Duration;

use tempfile::TempDir;

use crate::{Database, Settings, seed};

/// Returns a database with the tutorial's rows, in a directory that is removed when it is dropped.
pub async fn demo_database() -> (TempDir, Database) {
    let directory = TempDir::new().unwrap();
    let url = format!("sqlite://{}/test.db?mode=rwc", directory.path().display());
    let url = url.parse().unwrap();
    migration::run(&url, migration::Command::Up { steps: None }).await.unwrap();
    let acquire_timeout = Duration::from_secs(5);
    let settings = Settings { replicas: None, max_connections: 2, acquire_timeout };
    let db = Database::connect(&url, settings).await.unwrap();
    seed::demo(&db).await.unwrap();
    (directory, db)
}
