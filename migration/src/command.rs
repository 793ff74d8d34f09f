//! Commands that change the schema or report its state.

use std::collections::BTreeSet;

use clap::Subcommand;
use database_url::{Backend, DatabaseUrl};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    IsolationLevel, SqliteTransactionMode, TransactionOptions, TransactionTrait,
    sea_query::{Alias, Table},
};
use sea_orm_migration::{MigratorTrait, SchemaManager, seaql_migrations};

use crate::{
    Error, Migrator, Result, connection,
    history::{HISTORY_TABLE, applied, pending, status, tables},
    lock::{LOCK_TABLE, MigrationLock},
    topology,
};

/// A command of `marketsvc migrate`. Only `down`, `fresh`, `refresh` and `reset` drop tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
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
/// unchanged; on MySQL a failed migration can be run again. `Up` writes nothing if nothing is pending.
pub async fn run(url: &DatabaseUrl, command: Command) -> Result<Vec<String>> {
    let db = connection::open(url).await?;
    let report = match command {
        Command::Status => status(&db).await,
        Command::Up { .. } => up(url, &db, command).await,
        _ => change(url, &db, command).await,
    };
    connection::close(db).await;
    report
}

/// Applies what is pending. Another migrator may do so at the same time.
async fn up(url: &DatabaseUrl, db: &DatabaseConnection, command: Command) -> Result<Vec<String>> {
    loop {
        if pending(db).await?.is_empty() {
            return Ok(report(command, &BTreeSet::new(), &BTreeSet::new()));
        }
        match change(url, db, command).await {
            Err(Error::LockLost) => log::warn!("{}", Error::LockLost),
            // Another process may have applied the migrations.
            Err(error) => match pending(db).await {
                Ok(pending) if pending.is_empty() => log::info!("already applied: {error}"),
                _ => return Err(error),
            },
            outcome => return outcome,
        }
    }
}

/// Runs the command under the migration lock; on SQLite that of the file.
async fn change(
    url: &DatabaseUrl,
    db: &DatabaseConnection,
    command: Command,
) -> Result<Vec<String>> {
    if url.backend() == Backend::Sqlite {
        let txn = begin(db).await?;
        let report = execute_and_report(&txn, command).await?;
        txn.commit().await?;
        return Ok(report);
    }
    topology::refuse_multi_primary(db).await?;
    let lock = MigrationLock::acquire(url).await?;
    let changing = async {
        let txn = begin(db).await?;
        let report = execute_and_report(&txn, command).await?;
        lock.confirm(&txn).await?;
        txn.commit().await?;
        Ok(report)
    };
    let outcome = lock.protect(changing).await;
    if let Err(error) = lock.release().await {
        log::warn!("cannot release the migration lock: {error}");
    }
    outcome
}

/// Begins a transaction, on SQLite with the lock of the file.
///
/// On SQLite and PostgreSQL a drop without a commit rolls back the schema changes. MySQL commits each schema change
/// implicitly; there the transaction only keeps the connection.
async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction> {
    let is_postgres = db.get_database_backend() == DbBackend::Postgres;
    let options = TransactionOptions {
        // The lock's row changes meanwhile, which a higher level would report as a conflict.
        isolation_level: is_postgres.then_some(IsolationLevel::ReadCommitted),
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    Ok(db.begin_with_options(options).await?)
}

async fn execute_and_report(txn: &DatabaseTransaction, command: Command) -> Result<Vec<String>> {
    let before = match command {
        // Its tables are dropped unread.
        Command::Fresh => BTreeSet::new(),
        _ => applied(txn).await?,
    };
    execute(txn, command).await?;
    let after = applied(txn).await?;
    Ok(report(command, &before, &after))
}

async fn execute(txn: &DatabaseTransaction, command: Command) -> Result<()> {
    match command {
        Command::Up { steps } => Migrator::up(txn, steps).await?,
        Command::Down { steps } => roll_back(txn, steps).await?,
        Command::Fresh => {
            drop_all_tables(txn).await?;
            Migrator::up(txn, None).await?;
        }
        Command::Refresh => {
            roll_back(txn, u32::MAX).await?;
            Migrator::up(txn, None).await?;
        }
        Command::Reset => {
            roll_back(txn, u32::MAX).await?;
            Migrator::uninstall(txn).await?;
        }
        Command::Status => {}
    }
    Ok(())
}

/// Rolls back the last migrations, at most `steps`.
///
/// Unlike `Migrator::down` it deletes the record of a migration first. MySQL commits each change of the schema, so after
/// an interruption the migration is pending, and can be applied again, while some of its tables may exist.
async fn roll_back(txn: &DatabaseTransaction, steps: u32) -> Result<()> {
    // An applied migration that this program does not know is an error.
    let applied = Migrator::get_applied_migrations(txn).await?;
    let applied: BTreeSet<_> =
        applied.iter().map(|migration| migration.name().to_owned()).collect();
    let steps = usize::try_from(steps).unwrap_or(usize::MAX);
    let migrations = Migrator::migrations().into_iter().rev();
    for migration in migrations.filter(|migration| applied.contains(migration.name())).take(steps) {
        seaql_migrations::Entity::delete_by_id(migration.name()).exec(txn).await?;
        migration.down(&SchemaManager::new(txn)).await?;
    }
    Ok(())
}

/// Drops all tables but that of the lock. Unlike `Migrator::fresh` it leaves types alone: they are an extension's.
async fn drop_all_tables(txn: &DatabaseTransaction) -> Result<(), DbErr> {
    let is_mysql = txn.get_database_backend() == DbBackend::MySql;
    if is_mysql {
        // It has no cascade. SQLite does not enforce foreign keys on this connection.
        txn.execute_unprepared("SET SESSION foreign_key_checks = 0").await?;
    }
    let mut tables = tables(txn).await?;
    tables.retain(|table| table != LOCK_TABLE);
    // Without the record of migrations all of them are pending after an interruption.
    tables.sort_by_key(|table| table != HISTORY_TABLE);
    for table in tables {
        let drop = Table::drop().table(Alias::new(table)).if_exists().cascade().take();
        txn.execute(&drop).await?;
    }
    if is_mysql {
        txn.execute_unprepared("SET SESSION foreign_key_checks = 1").await?;
    }
    Ok(())
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
