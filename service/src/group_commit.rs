//! SQLite's one writer: transactions that wait for it at the same time are committed together.
//!
//! A commit waits for the disk, which takes longer than all else that a transaction does, and the wait is
//! the same for many as for one. Each transaction is a savepoint of the group's, is refused alone if it is
//! refused, and is acknowledged only when the group is on the disk.

use std::{sync::Arc, time::Instant};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
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

    /// Carries out `work` in a transaction, together with whatever else waits.
    pub async fn write<T, F>(self: Arc<Self>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Work<T> + Send + Sync + 'static,
    {
        let (reply, outcome) = oneshot::channel();
        let member = Transaction { work, outcome: None, reply, since: Instant::now() };
        // A task of its own: a caller that goes away does not stop it halfway.
        tokio::spawn(async move {
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

async fn carry_out(writer: &DatabaseConnection, mut group: Vec<Box<dyn Member>>) {
    if group.len() > 1 {
        match commit(writer, &mut group).await {
            Ok(()) => return group.into_iter().for_each(<dyn Member>::acknowledge),
            Err(error) => log::debug!("one by one: {error}"),
        }
    }
    for member in group {
        // Another process may hold the file: whoever waits long is told so, and not one after the other.
        if member.since().elapsed() > PATIENCE {
            member.refuse();
        } else {
            member.alone(writer).await;
        }
    }
}

/// All in one transaction; an error that is not just one member's own undoes them all.
async fn commit(writer: &DatabaseConnection, group: &mut [Box<dyn Member>]) -> Result<()> {
    let txn = begin(writer).await?;
    for member in group {
        member.within(&txn).await?;
    }
    Ok(txn.commit().await?)
}

/// A transaction of a group, whatever it returns.
trait Member: Send {
    /// Carries it out within the group's, and keeps what came of it.
    fn within<'a>(&'a mut self, group: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>>;

    /// Carries it out by itself, and tells what came of it.
    fn alone(self: Box<Self>, writer: &DatabaseConnection) -> BoxFuture<'_, ()>;

    /// Tells what came of it.
    fn acknowledge(self: Box<Self>);

    /// Tells that nothing came of it.
    fn refuse(self: Box<Self>);

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

    fn refuse(self: Box<Self>) {
        let late = DbErr::Custom("the writer was busy for too long".to_owned());
        let _ = self.reply.send(Err(Error::Contention(late)));
    }

    fn since(&self) -> Instant {
        self.since
    }
}
