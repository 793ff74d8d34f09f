//! A transaction: all of it or nothing, and from the start again where it met another one.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rand::RngExt as _;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};

use crate::{Error, Result};

/// How often a transaction is tried that breaks a rule, perhaps because of what another one just did.
const ATTEMPTS: u32 = 5;

/// How long a transaction is tried that meets others; on SQLite also how long another process may take to
/// write.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What is done in a transaction. It has no effect outside of it, for it may be done again.
pub trait Work<T>: for<'a> Fn(&'a DatabaseTransaction) -> BoxFuture<'a, Result<T>> {}

impl<T, F: for<'a> Fn(&'a DatabaseTransaction) -> BoxFuture<'a, Result<T>>> Work<T> for F {}

/// Carries out `work` in a transaction of its own.
pub async fn with_retries<T>(writer: &DatabaseConnection, work: &impl Work<T>) -> Result<T> {
    let started = Instant::now();
    let mut attempt = 1;
    loop {
        match transact(writer, work).await {
            Err(Error::Conflict(error)) if attempt < ATTEMPTS => log::debug!("again: {error}"),
            Err(Error::Contention(error)) if started.elapsed() < PATIENCE => {
                log::debug!("again: {error}");
            }
            outcome => return outcome,
        }
        tokio::time::sleep(pause(attempt)).await;
        attempt += 1;
    }
}

/// Random, so that two transactions that clashed do not meet again.
pub fn pause(attempt: u32) -> Duration {
    let longest = Duration::from_millis(10) * 2_u32.pow(attempt.min(6));
    rand::rng().random_range(Duration::ZERO..longest)
}

async fn transact<T>(writer: &DatabaseConnection, work: &impl Work<T>) -> Result<T> {
    let txn = begin(writer).await?;
    match work(&txn).await {
        Ok(value) => {
            txn.commit().await?;
            Ok(value)
        }
        Err(error) => {
            if let Err(unable) = txn.rollback().await {
                log::warn!("cannot roll back: {unable}");
            }
            Err(error)
        }
    }
}

/// Begins a transaction that will write.
pub async fn begin(writer: &DatabaseConnection) -> Result<DatabaseTransaction> {
    let options = TransactionOptions {
        // One that reads before it writes would fail whenever another writes between.
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    Ok(writer.begin_with_options(options).await?)
}
