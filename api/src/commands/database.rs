//! Arguments that choose the database.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use database_url::{Backend, DatabaseUrl};
use service::{Database, Settings};

/// Database and size of its connection pool.
#[derive(Args)]
pub struct DatabaseArgs {
    #[arg(
        help = "sqlite://FILE?mode=rwc, postgres://USER:PASSWORD@HOST/DB or mysql://USER:PASSWORD@HOST/DB; HOST may be a list, of which the first server that takes writes is used",
        long,
        value_name = "URL",
        global = true,
        env = "DATABASE_URL",
        // The URL may hold a password, and so may a malformed one: neither is printed.
        hide_env_values = true,
        default_value = "sqlite://marketplace.db?mode=rwc"
    )]
    database_url: String,
    /// Maximum number of database connections for reading, and as many for writing (SQLite has one for writing)
    #[arg(
        long,
        global = true,
        env = "MARKETSVC_MAX_CONNECTIONS",
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    max_connections: u32,
    /// Seconds to wait for a free connection before the answer is 503
    #[arg(
        long,
        global = true,
        env = "MARKETSVC_ACQUIRE_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    acquire_timeout: u64,
}

impl DatabaseArgs {
    /// Parses the URL of the database.
    pub fn url(&self) -> Result<DatabaseUrl> {
        Ok(self.database_url.parse()?)
    }

    /// Returns the maximum number of connections to the database.
    pub fn max_connections(&self) -> u32 {
        self.max_connections
    }

    /// Connects to the database, whose schema must not be behind.
    pub async fn open(&self) -> Result<Database> {
        self.open_at(&self.url()?, None).await
    }

    /// Connects like [`DatabaseArgs::open`], and reads from `replicas`, whose URL may be of the same kind only.
    pub async fn open_with_replicas(&self, replicas: Option<DatabaseUrl>) -> Result<Database> {
        let url = self.url()?;
        if let Some(replicas) = &replicas {
            if url.backend() == Backend::Sqlite {
                bail!("a SQLite file has no replicas to read from");
            }
            if url.backend() != replicas.backend() {
                bail!("the database to read from must be of the same kind as the one to write to");
            }
        }
        self.open_at(&url, replicas).await
    }

    /// Connects like [`DatabaseArgs::open`] to the database at `url`, with the other settings of this command line.
    pub async fn open_at(
        &self,
        url: &DatabaseUrl,
        replicas: Option<DatabaseUrl>,
    ) -> Result<Database> {
        let settings = Settings {
            replicas,
            max_connections: self.max_connections,
            acquire_timeout: Duration::from_secs(self.acquire_timeout),
        };
        let db = Database::connect(url, settings)
            .await
            .with_context(|| format!("cannot connect to {url}"))?;
        let pending = service::silently(migration::pending(db.primary_reader()))
            .await
            .with_context(|| format!("cannot use the schema of {url}"))?;
        if !pending.is_empty() {
            bail!(
                "the schema of {url} is behind by {}: run `marketsvc migrate up`, or start with \
                 `serve --migrate`",
                pending.join(", ")
            );
        }
        Ok(db)
    }
}
