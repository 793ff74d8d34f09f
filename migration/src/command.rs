//! Commands that change the schema or report its state.

use std::collections::BTreeSet;

use clap::Subcommand;
use database_url::DatabaseUrl;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction};
use sea_orm_migration::{MigrationStatus, MigratorTrait};

use crate::{Migrator, Result, lock};

/// A command of `marketsvc migrate`. Only `down`, `fresh`, `refresh` and `reset` drop tables.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Command {
    /// Apply pending migrations
    Up {
        /// Maximum number of migrations to apply; all by default
        #[arg(short = 'n', long = "num", value_name = "N")]
        steps: Option<u32>,
    },
    /// Roll back applied migrations and drop the data in their tables
    Down {
        /// Number of migrations to roll back, newest first
        #[arg(short = 'n', long = "num", value_name = "N", default_value_t = 1)]
        steps: u32,
    },
    /// Show which migrations are applied
    Status,
    /// Drop all tables, then apply all migrations
    Fresh,
    /// Roll back all migrations, then apply them again
    Refresh,
    /// Roll back all migrations
    Reset,
}

/// Runs `command` on the database at `url` and returns a report, one entry per line.
///
/// Concurrent migrators wait for each other. On SQLite and PostgreSQL a failed run leaves the schema
/// unchanged; on MySQL a failed migration can be run again.
pub async fn run(url: &DatabaseUrl, command: Command) -> Result<Vec<String>> {
    let db = lock::connect(url).await?;
    let report = match command {
        Command::Status => status(&db).await,
        _ => change(&db, command).await,
    };
    db.close().await?;
    report
}

/// Returns the names of the pending migrations. Reads only.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) names an applied migration that this program does not know.
pub async fn pending(db: &impl ConnectionTrait) -> Result<Vec<String>> {
    let pending = Migrator::get_pending_migrations_read_only(db).await?;
    Ok(pending.iter().map(|migration| migration.name().to_owned()).collect())
}

async fn status(db: &impl ConnectionTrait) -> Result<Vec<String>> {
    let all = Migrator::get_migration_with_status_read_only(db).await?;
    Ok(all.iter().map(|m| format!("{:<8} {}", m.status().to_string(), m.name())).collect())
}

async fn change(db: &DatabaseConnection, command: Command) -> Result<Vec<String>> {
    let txn = lock::begin_exclusive(db).await?;
    let before = match command {
        // `fresh` must also work if an applied migration is unknown, so it does not read them first.
        Command::Fresh => BTreeSet::new(),
        _ => applied(&txn).await?,
    };
    execute(&txn, command).await?;
    let after = applied(&txn).await?;
    txn.commit().await?;
    Ok(report(command, &before, &after))
}

async fn execute(txn: &DatabaseTransaction, command: Command) -> Result<()> {
    let done = match command {
        Command::Up { steps } => Migrator::up(txn, steps).await,
        Command::Down { steps } => Migrator::down(txn, Some(steps)).await,
        Command::Fresh => Migrator::fresh(txn).await,
        Command::Refresh => Migrator::refresh(txn).await,
        Command::Reset => Migrator::reset(txn).await,
        Command::Status => Ok(()),
    };
    Ok(done?)
}

async fn applied(txn: &DatabaseTransaction) -> Result<BTreeSet<String>> {
    let all = Migrator::get_migration_with_status_read_only(txn).await?;
    let applied = all.iter().filter(|m| m.status() == MigrationStatus::Applied);
    Ok(applied.map(|m| m.name().to_owned()).collect())
}

fn report(command: Command, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Vec<String> {
    let kept = match command {
        Command::Refresh => BTreeSet::new(),
        _ => before & after,
    };
    let gone = (before - &kept).into_iter().rev().map(|name| format!("rolled back {name}"));
    let new = (after - &kept).into_iter().map(|name| format!("applied {name}"));
    let lines: Vec<_> = gone.chain(new).collect();
    if lines.is_empty() { vec!["nothing to do".to_owned()] } else { lines }
}
