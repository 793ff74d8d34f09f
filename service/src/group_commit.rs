//! SQLite's one writer: transactions that wait for it at the same time are committed together.
//!
//! A commit waits for the disk, which takes longer than all else that a transaction does, and the wait is
//! the same for many as for one. Each transaction is a savepoint of the group's, is refused alone if it is
//! refused, and is acknowledged only when the group is on the disk.

use std::{sync::Arc, time::Instant};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use tokio::{
    runtime::Handle,
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
};

use crate::{
    Error, Result,
    pool::Pool,
    transaction::{PATIENCE, Work, begin, with_retries},
};

/// The writer and who waits for it.
#[derive(Debug)]
pub struct GroupCommit {
    pool: Pool,
    queue: UnboundedSender<Box<dyn Member>>,
    waiting: Mutex<UnboundedReceiver<Box<dyn Member>>>,
}

impl GroupCommit {
    /// Of a pool of one connection.
    pub fn new(pool: Pool) -> Self {
        let (queue, waiting) = unbounded_channel();
        Self { pool, queue, waiting: Mutex::new(waiting) }
    }

    /// The writer itself.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Carries out `work` in a transaction, together with whatever else waits, in a task of `runtime`.
    pub async fn write<T, F>(self: Arc<Self>, runtime: &Handle, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Work<T> + Send + Sync + 'static,
    {
        let (reply, outcome) = oneshot::channel();
        let member = Transaction { work, outcome: None, reply, since: Instant::now() };
        // A task of its own: a caller that goes away does not stop it halfway.
        runtime.spawn(async move {
            let (writer, _asking) = self.pool.ask();
            let sent = self.queue.send(Box::new(member));
            debug_assert!(sent.is_ok(), "the receiver lives as long as the sender");
            // Whoever has the turn takes all who wait; most find that they were taken along.
            let mut waiting = self.waiting.lock().await;
            let mut group = Vec::new();
            while let Ok(member) = waiting.try_recv() {
                group.push(member);
            }
            carry_out(writer, group).await;
        });
        outcome.await?
    }
}

async fn carry_out(writer: &DatabaseConnection, group: Vec<Box<dyn Member>>) {
    let mut group = without_late(group);
    if group.len() > 1 {
        match commit(writer, &mut group).await {
            Ok(()) => return group.into_iter().for_each(<dyn Member>::acknowledge),
            // Whether anything took place nobody knows.
            Err(Failure::Commit(error)) => {
                let refuse =
                    |member: Box<dyn Member>| member.refuse(Error::Unavailable(custom(&error)));
                return group.into_iter().for_each(refuse);
            }
            Err(Failure::Before(error)) => log::debug!("one by one: {error}"),
        }
    }
    for member in group {
        // Another process may hold the file: whoever waits long is told so, and not one after the other.
        for member in without_late(vec![member]) {
            member.alone(writer).await;
        }
    }
}

/// Refuses those who wait too long already, and returns the others.
fn without_late(group: Vec<Box<dyn Member>>) -> Vec<Box<dyn Member>> {
    let (late, in_time): (Vec<_>, Vec<_>) =
        group.into_iter().partition(|member| member.since().elapsed() > PATIENCE);
    for member in late {
        member.refuse(Error::Contention(custom("the writer was busy for too long")));
    }
    in_time
}

fn custom(error: impl ToString) -> DbErr {
    DbErr::Custom(error.to_string())
}

/// Where a group failed.
enum Failure {
    /// Nothing took place.
    Before(Error),
    /// At the end.
    Commit(DbErr),
}

/// All in one transaction; an error that is not just one member's own undoes them all.
async fn commit(writer: &DatabaseConnection, group: &mut [Box<dyn Member>]) -> Result<(), Failure> {
    let txn = begin(writer).await.map_err(Failure::Before)?;
    for member in group {
        member.within(&txn).await.map_err(Failure::Before)?;
    }
    txn.commit().await.map_err(Failure::Commit)
}

/// A transaction of a group, whatever it returns.
trait Member: Send {
    /// Carries it out within the group's, and keeps what came of it.
    fn within<'a>(&'a mut self, group: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>>;

    /// Carries it out by itself, and tells what came of it.
    fn alone(self: Box<Self>, writer: &DatabaseConnection) -> BoxFuture<'_, ()>;

    /// Tells what came of it.
    fn acknowledge(self: Box<Self>);

    /// Tells why nothing came of it.
    fn refuse(self: Box<Self>, error: Error);

    /// Since when it waits.
    fn since(&self) -> Instant;
}

struct Transaction<T, F> {
    work: F,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
    since: Instant,
}

impl<T, F> Member for Transaction<T, F>
where
    T: Send + 'static,
    F: Work<T> + Send + Sync + 'static,
{
    fn within<'a>(&'a mut self, group: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        async move {
            let savepoint = group.begin().await?;
            match (self.work)(&savepoint).await {
                Ok(value) => {
                    savepoint.commit().await?;
                    self.outcome = Some(Ok(value));
                }
                Err(error) if error.is_refusal() => {
                    savepoint.rollback().await?;
                    self.outcome = Some(Err(error));
                }
                // After a failure of the database nobody knows what became of the others.
                Err(error) => return Err(error),
            }
            Ok(())
        }
        .boxed()
    }

    fn alone(self: Box<Self>, writer: &DatabaseConnection) -> BoxFuture<'_, ()> {
        async move {
            let outcome = with_retries(writer, &self.work).await;
            // Nobody may be left to be told.
            let _ = self.reply.send(outcome);
        }
        .boxed()
    }

    fn acknowledge(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            let _ = self.reply.send(outcome);
        }
    }

    fn refuse(self: Box<Self>, error: Error) {
        let _ = self.reply.send(Err(error));
    }

    fn since(&self) -> Instant {
        self.since
    }
}
