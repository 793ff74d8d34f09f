//! Database of the examples: `DATABASE_URL`, or a temporary one with the demo data.

use std::time::Duration;

use database_url::DatabaseUrl;
use env_logger::Env;
use service::{Database, Settings, seed};
use tempfile::TempDir;

/// Error of an example.
pub type Error = Box<dyn std::error::Error>;

/// Database that an example runs on.
pub struct Demo {
    pub db: Database,
    /// URL of the database.
    pub url: DatabaseUrl,
    /// Removes the temporary database when it is dropped.
    _directory: Option<TempDir>,
}

/// Opens the database, and prints its SQL statements from then on.
pub async fn demo() -> Result<Demo, Error> {
    let (url, directory) = if let Ok(url) = std::env::var("DATABASE_URL") {
        (url, None)
    } else {
        let directory = TempDir::new()?;
        let url = format!("sqlite://{}/demo.db?mode=rwc", directory.path().display());
        (url, Some(directory))
    };
    let url: DatabaseUrl = url.parse()?;
    migration::run(&url, migration::Command::Up { steps: None }).await?;
    let acquire_timeout = Duration::from_secs(5);
    let settings = Settings { replicas: None, max_connections: 4, acquire_timeout };
    let db = Database::connect(&url, settings).await?;
    match seed::demo(&db).await {
        Ok(()) | Err(service::Error::NotEmpty) => {}
        Err(error) => return Err(error.into()),
    }
    env_logger::Builder::from_env(Env::default().default_filter_or("echo=debug"))
        .format_timestamp(None)
        .init();
    let demo = Demo { db, url, _directory: directory };
    println!("database: {}", demo.url);
    Ok(demo)
}

/// Prints a heading between the statements.
pub fn heading(text: &str) {
    println!("\n== {text}");
}
