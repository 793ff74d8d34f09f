//! Group commit for SQLite, which has one writer: transactions that are queued at the same time share one commit.
//!
//! A commit waits for the disk longer than everything else in a transaction takes, and one wait serves many
//! transactions. A single task owns the writing connection. Each transaction of a batch runs in a savepoint, is
//! refused alone if its request is refused, and is acknowledged once the batch is committed.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use sea_orm::{DatabaseTransaction, DbErr, TransactionTrait};
use tokio::sync::{mpsc, oneshot};

use super::{
    echo,
    pool::{InUseGuard, Pool},
    transaction::{BUSY_TIMEOUT, TimeLimit, Work, begin, commit, roll_back, with_retries},
};
use crate::{Error, Result};

/// Greatest number of transactions in a batch.
const MAX_BATCH: usize = 1024;

/// Result of a transaction, of any type.
type Outcome = Box<dyn Any + Send>;

/// Transaction that waits for the writer.
struct QueuedWrite {
    work: Box<dyn Work<Outcome>>,
    reply: oneshot::Sender<Result<Outcome>>,
    queued_at: Instant,
    /// True for maintenance: it runs in a transaction of its own, without an echo.
    is_maintenance: bool,
    _in_use: InUseGuard,
}

/// Sender of transactions to the writer's task. Cheap to clone; the task ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct GroupCommit {
    pool: Pool,
    queue: mpsc::UnboundedSender<QueuedWrite>,
}

impl GroupCommit {
    /// Spawns the task that writes through `pool`, a pool of one connection.
    pub fn spawn(pool: Pool) -> Self {
        let (queue, queued) = mpsc::unbounded_channel();
        tokio::spawn(write_batches(pool.clone(), queued));
        Self { pool, queue }
    }

    /// Returns the pool of the writer.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Runs `work` in a transaction. Once queued it is run even if the caller drops the future.
    pub async fn write<T: Send + 'static>(&self, work: impl Work<T> + 'static) -> Result<T> {
        self.queue(work, false).await
    }

    /// Runs the maintenance `work` in a transaction of its own, which is not echoed.
    pub async fn maintain<T: Send + 'static>(&self, work: impl Work<T> + 'static) -> Result<T> {
        self.queue(work, true).await
    }

    async fn queue<T: Send + 'static>(
        &self,
        work: impl Work<T> + 'static,
        is_maintenance: bool,
    ) -> Result<T> {
        let work = Arc::new(work);
        let (reply, outcome) = oneshot::channel();
        let write = QueuedWrite {
            work: Box::new(move |txn| {
                let work = Arc::clone(&work);
                Box::pin(async move { Ok(Box::new(work(txn).await?) as Outcome) })
            }),
            reply,
            queued_at: Instant::now(),
            is_maintenance,
            _in_use: self.pool.track(),
        };
        // If the task has ended, the write is dropped with its reply, which is the error below.
        drop(self.queue.send(write));
        match outcome.await??.downcast() {
            Ok(value) => Ok(*value),
            Err(_) => Err(Error::Internal(custom("a transaction returned another type"))),
        }
    }
}

/// Commits queued transactions, all that wait in one batch, until the queue is closed.
async fn write_batches(writer: Pool, mut queued: mpsc::UnboundedReceiver<QueuedWrite>) {
    let mut batch = Vec::new();
    while queued.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let run = run_batch(&writer, std::mem::take(&mut batch));
        // A panic ends its batch, whose callers get an error, and not the task.
        if AssertUnwindSafe(run).catch_unwind().await.is_err() {
            log::error!("a transaction panicked");
        }
    }
}

async fn run_batch(writer: &Pool, batch: Vec<QueuedWrite>) {
    let (maintenance, batch): (Vec<_>, Vec<_>) =
        batch.into_iter().partition(|write| write.is_maintenance);
    let batch = fail_expired(batch);
    run_transactions(writer, batch).await;
    for write in maintenance {
        let outcome = echo::silently(with_retries(writer, TimeLimit::Unlimited, &write.work)).await;
        write.finish(outcome);
    }
}

async fn run_transactions(writer: &Pool, batch: Vec<QueuedWrite>) {
    if batch.len() > 1 {
        match commit_together(writer, &batch).await {
            Ok(outcomes) => {
                for (write, outcome) in batch.into_iter().zip(outcomes) {
                    write.finish(outcome);
                }
                return;
            }
            Err(Error::OutcomeUnknown(error)) => {
                // Nothing is run again, since it may be done.
                for write in batch {
                    write.finish(Err(Error::OutcomeUnknown(error.clone())));
                }
                return;
            }
            Err(error) => log::debug!("running one by one: {error}"),
        }
    }
    for write in batch {
        // Another process may hold the file, so the next write may have expired in the meantime.
        for write in fail_expired(vec![write]) {
            let outcome = with_retries(writer, TimeLimit::Unlimited, &write.work).await;
            write.finish(outcome);
        }
    }
}

/// Fails the writes that have waited for longer than [`BUSY_TIMEOUT`] and returns the others.
fn fail_expired(batch: Vec<QueuedWrite>) -> Vec<QueuedWrite> {
    let (expired, batch): (Vec<_>, Vec<_>) =
        batch.into_iter().partition(|write| write.queued_at.elapsed() > BUSY_TIMEOUT);
    for write in expired {
        write.finish(Err(Error::Contention(custom("the writer was busy for too long"))));
    }
    batch
}

impl QueuedWrite {
    /// Sends the outcome to the caller, unless it has dropped its future.
    fn finish(self, outcome: Result<Outcome>) {
        drop(self.reply.send(outcome));
    }

    /// Runs the work in a savepoint of `txn`.
    ///
    /// The inner result is the caller's. An outer error leaves the state of the whole transaction unknown.
    async fn run_in_savepoint(&self, txn: &DatabaseTransaction) -> Result<Result<Outcome>> {
        let savepoint = echo::transaction("SAVEPOINT", txn.begin()).await?;
        match (self.work)(&savepoint).await {
            Ok(value) => {
                echo::transaction("RELEASE SAVEPOINT", savepoint.commit()).await?;
                Ok(Ok(value))
            }
            Err(error) if error.is_client_error() => {
                echo::transaction("ROLLBACK TO SAVEPOINT", savepoint.rollback()).await?;
                Ok(Err(error))
            }
            Err(error) => Err(error),
        }
    }
}

/// Runs the writes in one transaction and returns their outcomes once it is committed.
async fn commit_together(writer: &Pool, batch: &[QueuedWrite]) -> Result<Vec<Result<Outcome>>> {
    let mut lease = writer.lease().await?;
    lease.remove_deadline();
    let txn = begin(&mut lease).await?;
    match lease.run(run_in_savepoints(&txn, batch)).await {
        Ok(outcomes) => {
            commit(&mut lease, txn).await?;
            Ok(outcomes)
        }
        Err(error) => {
            roll_back(&mut lease, txn).await;
            Err(error)
        }
    }
}

async fn run_in_savepoints(
    txn: &DatabaseTransaction,
    batch: &[QueuedWrite],
) -> Result<Vec<Result<Outcome>>> {
    let mut outcomes = Vec::with_capacity(batch.len());
    for write in batch {
        outcomes.push(write.run_in_savepoint(txn).await?);
    }
    Ok(outcomes)
}

fn custom(error: impl ToString) -> DbErr {
    DbErr::Custom(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use entity::address;
    use sea_orm::{ActiveModelTrait, EntityTrait, PaginatorTrait, Set};
    use tokio::sync::oneshot;

    use super::*;
    use crate::{Database, testing::demo_database};

    async fn insert(txn: &DatabaseTransaction, post_code: i32) -> Result<i64> {
        let row = address::ActiveModel {
            flat_number: Set(1),
            post_code: Set(post_code),
            ..Default::default()
        };
        Ok(row.insert(txn).await?.id)
    }

    /// Blocks the writer in a transaction until the returned sender is used or dropped.
    async fn block_writer(db: &Database) -> oneshot::Sender<()> {
        let (entered, is_entered) = oneshot::channel();
        let (release, is_released) = oneshot::channel();
        let gates = std::sync::Mutex::new(Some((entered, is_released)));
        let db = db.clone();
        tokio::spawn(async move {
            db.write(move |_| {
                let gates = gates.lock().unwrap().take();
                Box::pin(async move {
                    let (entered, is_released) = gates.unwrap();
                    entered.send(()).unwrap();
                    drop(is_released.await);
                    Ok(())
                })
            })
            .await
        });
        is_entered.await.unwrap();
        release
    }

    /// Queues the writes while the writer is blocked, so that they run in one batch.
    async fn in_one_batch<T: Send + 'static>(
        db: &Database,
        writes: Vec<impl Work<T> + 'static>,
    ) -> Vec<Result<T>> {
        let release = block_writer(db).await;
        let writes: Vec<_> = writes
            .into_iter()
            .map(|work| {
                let db = db.clone();
                tokio::spawn(async move { db.write(work).await })
            })
            .collect();
        tokio::task::yield_now().await;
        release.send(()).unwrap();
        let mut outcomes = Vec::new();
        for write in writes {
            outcomes.push(write.await.unwrap());
        }
        outcomes
    }

    async fn addresses(db: &Database) -> u64 {
        address::Entity::find().count(db.reader()).await.unwrap()
    }

    /// Counts its runs and inserts an address, and is refused afterwards if `refused`.
    fn insert_unless(refused: bool, runs: &Arc<AtomicU32>) -> impl Work<i64> + use<> {
        let runs = Arc::clone(runs);
        move |txn| {
            runs.fetch_add(1, SeqCst);
            Box::pin(async move {
                let id = insert(txn, 1).await?;
                if refused { Err(Error::PreconditionFailed) } else { Ok(id) }
            })
        }
    }

    #[tokio::test]
    async fn a_refused_write_is_rolled_back_alone() {
        let (_directory, db) = demo_database().await;
        let runs = Arc::new(AtomicU32::new(0));
        let writes = (0..10).map(|n| insert_unless(n == 3, &runs)).collect();
        let outcomes = in_one_batch(&db, writes).await;
        for (n, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome.is_ok(), n != 3, "{n}: {outcome:?}");
        }
        assert_eq!(addresses(&db).await, 3 + 9);
        assert_eq!(runs.load(SeqCst), 10, "the others were run again");
    }

    /// Inserts an address, and fails in the third run of all, as if the database had.
    fn fail_third(runs: &Arc<AtomicU32>) -> impl Work<i64> + use<> {
        let runs = Arc::clone(runs);
        move |txn| {
            let run = runs.fetch_add(1, SeqCst);
            Box::pin(async move {
                let id = insert(txn, 1).await?;
                if run == 2 { Err(Error::Internal(custom("as if"))) } else { Ok(id) }
            })
        }
    }

    #[tokio::test]
    async fn after_a_failure_of_the_batch_each_write_runs_alone() {
        let (_directory, db) = demo_database().await;
        let runs = Arc::new(AtomicU32::new(0));
        let outcomes = in_one_batch(&db, (0..4).map(|_| fail_third(&runs)).collect()).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!(runs.load(SeqCst), 3 + 4);
        assert_eq!(addresses(&db).await, 3 + 4);
    }

    #[tokio::test]
    async fn a_queued_write_is_run_even_if_its_caller_leaves() {
        let (_directory, db) = demo_database().await;
        let release = block_writer(&db).await;
        let caller = tokio::spawn({
            let db = db.clone();
            async move { db.write(|txn| Box::pin(insert(txn, 1))).await }
        });
        tokio::task::yield_now().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        release.send(()).unwrap();
        // The next write is committed after it.
        db.write(|txn| Box::pin(insert(txn, 2))).await.unwrap();
        assert_eq!(addresses(&db).await, 3 + 2);
    }

    #[tokio::test]
    async fn a_panic_in_a_transaction_does_not_end_the_writer() {
        let (_directory, db) = demo_database().await;
        let panicking = db.write(|txn| {
            Box::pin(async move {
                insert(txn, 1).await?;
                panic!("as if");
                #[expect(unreachable_code, reason = "gives the closure its type")]
                Ok(())
            })
        });
        assert!(matches!(panicking.await, Err(Error::WriterStopped(_))));
        db.write(|txn| Box::pin(insert(txn, 2))).await.unwrap();
        assert_eq!(addresses(&db).await, 3 + 1);
    }

    #[tokio::test]
    async fn writes_that_waited_too_long_fail_without_being_run() {
        let (_directory, db) = demo_database().await;
        let (reply, outcome) = oneshot::channel();
        let write = QueuedWrite {
            work: Box::new(|txn| {
                Box::pin(async move { Ok(Box::new(insert(txn, 1).await?) as Outcome) })
            }),
            reply,
            queued_at: Instant::now().checked_sub(BUSY_TIMEOUT * 2).unwrap(),
            is_maintenance: false,
            _in_use: db.writer.pool().track(),
        };
        run_batch(db.writer.pool(), vec![write]).await;
        assert!(matches!(outcome.await.unwrap(), Err(Error::Contention(_))));
        assert_eq!(addresses(&db).await, 3);
    }
}
