//! `marketsvc copy`

use std::io::{self, Write};

use anyhow::Result;
use database_url::DatabaseUrl;

use super::{database::DatabaseArgs, progress::progress_bar};

/// Options of the command.
#[derive(clap::Args)]
pub struct Options {
    /// Database to copy to, of any of the three kinds: it must be empty, and migrated by `migrate up`
    #[arg(long, value_name = "URL", env = "MARKETSVC_COPY_TO", hide_env_values = true)]
    to: String,
}

/// Copies all data from the database of `--database-url` and prints the number of rows of each table.
pub async fn run(database: &DatabaseArgs, options: &Options) -> Result<()> {
    let (from, to): (DatabaseUrl, DatabaseUrl) = (database.url()?, options.to.parse()?);
    let source = database.open_at(&from, None).await?;
    let target = database.open_at(&to, None).await?;
    log::info!("copying {from} to {to}; nothing may write to either until the end");
    let tables = service::copy(&source, &target, &progress_bar()).await?;
    source.close().await?;
    target.close().await?;
    let mut stdout = io::stdout().lock();
    for table in tables {
        writeln!(stdout, "{:<16} {}", table.name, table.rows)?;
    }
    Ok(())
}
