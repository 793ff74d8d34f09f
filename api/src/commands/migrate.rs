//! `marketsvc migrate`

use std::io::{self, Write};

use anyhow::Result;

use super::database::DatabaseArgs;

/// Migrates the schema and prints what was done.
pub async fn run(database: &DatabaseArgs, command: migration::Command) -> Result<()> {
    let report = migration::run(&database.url()?, command).await?;
    writeln!(io::stdout(), "{}", report.join("\n"))?;
    Ok(())
}
