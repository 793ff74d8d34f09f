//! Transactions: committed whole or rolled back, and run again after a conflict with another transaction.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use rand::RngExt as _;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};

use super::{
    deadlines, echo,
    error_class::{Damage, damage, is_rolled_back, may_be_committed_elsewhere},
    lease::Lease,
    pool::Pool,
};
use crate::{Error, Result};

/// Greatest number of attempts of a transaction that violates a constraint, perhaps because of a concurrent one.
const MAX_ATTEMPTS: u32 = 5;

/// Time for which a transaction is run again after contention; on SQLite also the time to wait for another process
/// that writes.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Future of the work of a transaction.
pub type WorkFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Work of a transaction. It may be run several times, so it must have no other effect.
pub trait Work<T>: for<'a> Fn(&'a DatabaseTransaction) -> WorkFuture<'a, T> + Send + Sync {}

impl<T, F> Work<T> for F where
    F: for<'a> Fn(&'a DatabaseTransaction) -> WorkFuture<'a, T> + Send + Sync
{
}

/// Time that a transaction may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeLimit {
    /// That of the pool's connections, for an ordinary transaction.
    Ordinary,
    /// None, for those of SQLite's writer: it has no network, and only its locks are waited for.
    Unlimited,
}

/// Runs `work` in a transaction of its own, again after a conflict or if the connection breaks before the commit.
pub async fn with_retries<T>(pool: &Pool, limit: TimeLimit, work: &impl Work<T>) -> Result<T> {
    let mut retries = Retries::new();
    let mut kept: Option<Lease> = None;
    loop {
        let mut lease = match kept.take() {
            Some(lease) => lease,
            // Fails at once while the database cannot be reached.
            None => pool.lease().await.map_err(|error| retries.last(error.into()))?,
        };
        if limit == TimeLimit::Unlimited {
            lease.remove_deadline();
        }
        match transact(&mut lease, work).await {
            Ok(value) => return Ok(value),
            Err(failure) => retries.next(failure)?,
        }
        // Another connection may lead to another server.
        kept = retries.must_stay().then_some(lease);
        tokio::time::sleep(backoff(retries.attempt)).await;
        retries.attempt += 1;
    }
}

/// Failure of an attempt.
struct Failure {
    error: Error,
    is_of_commit: bool,
}

/// Decides whether a transaction runs again.
struct Retries {
    started: Instant,
    attempt: u32,
    has_moved: bool,
    /// Conflict at a commit that a node which is leaving its cluster also reports for a transaction that the others commit.
    conflict_of_commit: Option<DbErr>,
}

impl Retries {
    fn new() -> Self {
        let (attempt, has_moved, conflict_of_commit) = (1, false, None);
        Self { started: Instant::now(), attempt, has_moved, conflict_of_commit }
    }

    /// Returns the error if the transaction is not to run again.
    fn next(&mut self, Failure { error, is_of_commit }: Failure) -> Result<()> {
        match error {
            Error::Conflict(error) if self.attempt < MAX_ATTEMPTS => {
                log::debug!("retrying: {error}");
            }
            Error::Contention(error) if self.started.elapsed() < BUSY_TIMEOUT => {
                log::debug!("retrying: {error}");
                if is_of_commit && may_be_committed_elsewhere(&error) {
                    self.conflict_of_commit = Some(error);
                }
            }
            // Perhaps another server answers by now.
            Error::Unavailable(error)
                if !self.has_moved
                    && self.conflict_of_commit.is_none()
                    && damage(&error) != Damage::None =>
            {
                log::debug!("retrying on another connection: {error}");
                self.has_moved = true;
            }
            error => return Err(self.last(error)),
        }
        Ok(())
    }

    /// Returns whether the next attempt must be at the same server.
    fn must_stay(&self) -> bool {
        self.conflict_of_commit.is_some()
    }

    /// Returns the error of the last attempt. After a conflict at a commit the outcome is unknown if the server was lost, or
    /// goes on to report conflicts.
    fn last(&mut self, error: Error) -> Error {
        match (error, self.conflict_of_commit.take()) {
            (Error::Unavailable(_) | Error::Contention(_), Some(conflict)) => {
                Error::OutcomeUnknown(conflict)
            }
            (error, _) => error,
        }
    }
}

/// Returns a random delay that grows with the attempts, so that two conflicting transactions do not conflict again.
pub fn backoff(attempt: u32) -> Duration {
    let longest = Duration::from_millis(10) * 2_u32.pow(attempt.min(6));
    rand::rng().random_range(Duration::ZERO..longest)
}

async fn transact<T>(lease: &mut Lease, work: &impl Work<T>) -> Result<T, Failure> {
    let before_commit = |error| Failure { error, is_of_commit: false };
    let txn = begin(lease).await.map_err(before_commit)?;
    match lease.run(work(&txn)).await {
        Ok(value) => {
            let committed = commit(lease, txn).await;
            committed.map_err(|error| Failure { error, is_of_commit: true })?;
            Ok(value)
        }
        Err(error) => {
            roll_back(lease, txn).await;
            Err(before_commit(error))
        }
    }
}

/// Begins a transaction that will write.
pub async fn begin(lease: &mut Lease) -> Result<DatabaseTransaction> {
    let options = TransactionOptions {
        // A deferred transaction that reads before it writes would fail whenever another one writes in between.
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let (database, limits) = (lease.database(), lease.transaction_limits());
    let begin = async {
        let txn = database.begin_with_options(options).await?;
        if let Some(limits) = limits {
            txn.execute_unprepared(&limits).await?;
        }
        Ok::<_, DbErr>(txn)
    };
    Ok(lease.run(echo::transaction("BEGIN", begin)).await?)
}

/// Commits the transaction.
///
/// # Errors
/// [`Error::OutcomeUnknown`] unless the database says that it rolled the transaction back.
pub async fn commit(lease: &mut Lease, txn: DatabaseTransaction) -> Result<()> {
    lease.extend(deadlines::COMMIT);
    match lease.run(echo::transaction("COMMIT", txn.commit())).await {
        Err(error) if !is_rolled_back(&error) => Err(Error::OutcomeUnknown(error)),
        outcome => Ok(outcome?),
    }
}

/// Rolls the transaction back, unless its connection is broken and about to be closed.
pub async fn roll_back(lease: &mut Lease, txn: DatabaseTransaction) {
    if lease.is_broken() {
        return;
    }
    if let Err(failure) = lease.run(echo::transaction("ROLLBACK", txn.rollback())).await {
        log::warn!("cannot roll back: {failure}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use entity::item;
    use sea_orm::{ActiveModelTrait, EntityTrait, PaginatorTrait, Set};

    use super::*;
    use crate::testing::demo_database;

    async fn insert_item(txn: &DatabaseTransaction) -> Result<item::Model> {
        let row = item::ActiveModel {
            name: Set("Salt".to_owned()),
            price_cents: Set(entity::Money::from_cents(1)),
            description: Set(None),
            ..Default::default()
        };
        Ok(row.insert(txn).await?)
    }

    /// Runs a transaction that inserts an item and then fails with `error` for the first `failures` attempts.
    /// Returns the outcome, the number of attempts and the number of items.
    async fn run(failures: u32, error: fn(DbErr) -> Error) -> (Result<i64>, u32, u64) {
        let (_directory, db) = demo_database().await;
        let attempts = AtomicU32::new(0);
        let outcome = with_retries(
            db.writer.pool(),
            TimeLimit::Ordinary,
            &failing(failures, error, &attempts),
        )
        .await;
        let items = item::Entity::find().count(db.reader()).await.unwrap();
        (outcome, attempts.into_inner(), items)
    }

    fn failing(failures: u32, error: fn(DbErr) -> Error, attempts: &AtomicU32) -> impl Work<i64> {
        move |txn| {
            let attempt = attempts.fetch_add(1, SeqCst);
            Box::pin(async move {
                let item = insert_item(txn).await?;
                if attempt < failures {
                    return Err(error(DbErr::Custom("as if".to_owned())));
                }
                Ok(item.id)
            })
        }
    }

    #[tokio::test]
    async fn conflicts_are_tried_five_times_and_leave_nothing_behind() {
        let (outcome, attempts, items) = run(4, Error::Conflict).await;
        assert!(outcome.is_ok());
        assert_eq!((attempts, items), (5, 5));
        let (outcome, attempts, items) = run(u32::MAX, Error::Conflict).await;
        assert!(matches!(outcome, Err(Error::Conflict(_))));
        assert_eq!((attempts, items), (5, 4));
    }

    #[tokio::test]
    async fn contention_is_tried_again_and_other_errors_are_not() {
        let (outcome, attempts, items) = run(7, Error::Contention).await;
        assert!(outcome.is_ok());
        assert_eq!((attempts, items), (8, 5));
        let (outcome, attempts, items) = run(1, Error::Internal).await;
        assert!(matches!(outcome, Err(Error::Internal(_))));
        assert_eq!((attempts, items), (1, 4));
    }

    #[test]
    fn a_transaction_that_another_node_may_commit_is_not_run_there() {
        let broken = || DbErr::Conn(sea_orm::RuntimeErr::Internal("as if".to_owned()));
        let lost = || Failure { error: Error::Unavailable(broken()), is_of_commit: false };
        let conflict = || Failure { error: Error::Contention(broken()), is_of_commit: true };
        let mut retries = Retries::new();
        assert!(retries.next(conflict()).is_ok());
        assert!(!retries.must_stay());
        assert!(retries.next(lost()).is_ok());
        assert!(matches!(retries.next(lost()), Err(Error::Unavailable(_))));
        for failure in [lost(), Failure { error: Error::Contention(broken()), is_of_commit: false }]
        {
            let mut retries = Retries::new();
            retries.conflict_of_commit = Some(broken());
            assert!(retries.must_stay());
            retries.started = Instant::now().checked_sub(BUSY_TIMEOUT).unwrap();
            assert!(matches!(retries.next(failure), Err(Error::OutcomeUnknown(_))));
        }
    }

    #[test]
    fn delays_are_bounded() {
        assert!((0..100).all(|attempt| backoff(attempt) < Duration::from_millis(641)));
    }
}
