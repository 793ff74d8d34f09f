//! Database access: connection pools, transactions, queries.

mod checkpoint;
mod connect;
mod connection;
mod deadlines;
mod echo;
pub(crate) mod error_class;
mod group_commit;
mod idle;
mod lease;
mod outage;
mod pool;
pub(crate) mod query;
mod readers;
mod statements;
mod stats;
pub(crate) mod tasks;
mod transaction;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use connect::Role;
use database_url::{Backend, DatabaseUrl};
use deadlines::ORDINARY;
pub use echo::silently;
use entity::idempotency_keys;
use group_commit::GroupCommit;
pub use pool::Pool;
use readers::{PoolMaker, Readers};
use sea_orm::{
    EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};
use stats::Counters;
pub use stats::{DatabaseStats, PoolStats};
use tokio::{runtime::Handle, task::AbortHandle};
pub(crate) use transaction::WorkFuture;
use transaction::{BUSY_TIMEOUT, TimeLimit, Work, backoff, with_retries};

use crate::{Error, Result};

/// Settings of a [`Database`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// Replicas to read from, which may be behind; `None` to read from the primary. Not for SQLite.
    pub replicas: Option<DatabaseUrl>,
    /// Greatest number of connections for reading, and on PostgreSQL and MySQL as many for writing.
    pub max_connections: u32,
    /// Time that a task waits for a free connection before it fails with [`crate::Error::Unavailable`].
    pub acquire_timeout: Duration,
}

/// Connection pools of a process. Cheap to clone.
///
/// Reads and writes have pools of their own, so that commits that wait do not block reads. On SQLite one connection
/// writes and the others are read-only; with a write-ahead log neither blocks the other.
#[derive(Clone, Debug)]
pub struct Database {
    /// Pools that this handle reads from.
    readers: Arc<Readers>,
    primary: Arc<Readers>,
    writer: Writer,
    max_connections: usize,
    counters: Arc<Counters>,
}

#[derive(Clone, Debug)]
enum Writer {
    /// Transactions run concurrently, in tasks of the runtime that outlives the HTTP workers.
    Concurrent(Pool, Handle),
    /// Transactions run one after the other: SQLite.
    Grouped { writer: GroupCommit, checkpoint: Pool, checkpoints: AbortHandle },
}

impl Database {
    /// Connects to the primary within the acquire timeout, or fails with the reason.
    ///
    /// Transactions run on the runtime of the caller: one that serves HTTP ends with its worker.
    pub async fn connect(url: &DatabaseUrl, settings: Settings) -> Result<Self> {
        let Settings { replicas, max_connections, acquire_timeout } = settings;
        let max_connections = usize::try_from(max_connections).unwrap_or(usize::MAX);
        let counters = Arc::default();
        let pools = |url| PoolMaker::new(url, max_connections, acquire_timeout, &counters);
        url.create_file();
        let of_primary = pools(url);
        // SQLite's writer comes first, since it changes the file to a write-ahead log.
        let writer = Writer::open(&of_primary).await?;
        let (primary, readers) = match replicas.map(DatabaseUrl::for_replicas) {
            None => {
                let primary = Arc::new(Readers::new(&of_primary, ["read", "reports"]));
                (Arc::clone(&primary), primary)
            }
            Some(replicas) => (
                Arc::new(Readers::new(&of_primary, ["primary", "primary-reports"])),
                Arc::new(Readers::new(&pools(&replicas), ["read", "reports"])),
            ),
        };
        drop(primary.ordinary.lease().await?);
        Ok(Self { readers, primary, writer, max_connections, counters })
    }

    /// Returns a handle that reads from the primary, and so sees every acknowledged write.
    #[must_use]
    pub fn consistent(&self) -> Self {
        Self { readers: Arc::clone(&self.primary), ..self.clone() }
    }

    /// Returns the pool for reading. Each statement takes a connection and gives it back. The rows may be those of a
    /// replica, and so a little behind.
    #[must_use]
    pub fn reader(&self) -> &Pool {
        &self.readers.ordinary
    }

    /// Returns the pool for reading from the primary.
    #[must_use]
    pub fn primary_reader(&self) -> &Pool {
        &self.primary.ordinary
    }

    /// Returns the pool for reports: it has a quarter as many connections, and its statements may run for longer.
    #[must_use]
    pub fn report_reader(&self) -> &Pool {
        &self.readers.reports
    }

    /// Returns the pool for a page of a stream: at most half of the connections, unless it is the first page, which may
    /// be all that there is.
    pub(crate) fn page_reader(&self, is_first: bool) -> &Pool {
        if is_first { &self.readers.ordinary } else { &self.readers.pages }
    }

    /// Returns pools of one connection apart from the others, for readiness probes: they answer within 2 s. The first is
    /// the primary's, the second that of the replicas if there are any.
    #[must_use]
    pub fn probes(&self) -> (&Pool, Option<&Pool>) {
        let has_replicas = !Arc::ptr_eq(&self.primary, &self.readers);
        (&self.primary.probe, has_replicas.then_some(&self.readers.probe))
    }

    /// Tests by a statement that changes nothing whether the database takes writes: a standby does not. One statement on
    /// the connection for probes, none on SQLite.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it is read-only or does not answer.
    pub async fn test_write(&self) -> Result<()> {
        if let Writer::Concurrent(..) = self.writer {
            let nothing = Expr::val(1).eq(0);
            let probe = &self.primary.probe;
            idempotency_keys::Entity::delete_many().filter(nothing).exec(probe).await?;
        }
        Ok(())
    }

    /// Gives up the connections to the primary, which takes no writes any more: another server may do so by now.
    pub fn leave_primary(&self) {
        self.primary.ordinary.give_up_server();
    }

    /// Returns the number of tasks of one request that may read concurrently: half of the pool, so that a request
    /// for many rows leaves connections for others.
    #[must_use]
    pub fn tasks_per_request(&self) -> usize {
        (self.max_connections / 2).max(1)
    }

    /// Runs `work` in a transaction: it is committed whole or, on an error, rolled back.
    ///
    /// The transaction runs to its end even if the caller drops the future. `work` is run again, a few times, when
    /// it conflicts with another transaction, so it must have no effect outside of its own.
    pub async fn write<T: Send + 'static>(&self, work: impl Work<T> + 'static) -> Result<T> {
        match &self.writer {
            Writer::Grouped { writer, .. } => writer.write(work).await,
            Writer::Concurrent(pool, runtime) => {
                let pool = pool.clone();
                runtime
                    .spawn(async move { with_retries(&pool, TimeLimit::Ordinary, &work).await })
                    .await?
            }
        }
    }

    /// Runs the maintenance `work` like [`Database::write`], in a transaction of its own that is not echoed.
    pub(crate) async fn write_silently<T: Send + 'static>(
        &self,
        work: impl Work<T> + 'static,
    ) -> Result<T> {
        match &self.writer {
            Writer::Grouped { writer, .. } => writer.maintain(work).await,
            Writer::Concurrent(pool, _) => {
                echo::silently(with_retries(pool, TimeLimit::Ordinary, &work)).await
            }
        }
    }

    /// Returns the statistics of the pools.
    #[must_use]
    pub fn stats(&self) -> DatabaseStats {
        let mut pools: Vec<_> = self.readers.stats().into();
        if !Arc::ptr_eq(&self.primary, &self.readers) {
            pools.extend(self.primary.stats());
        }
        pools.push(self.writer.pool().stats());
        DatabaseStats {
            pools,
            statements: self.counters.statements.load(Relaxed),
            orders_placed: self.counters.orders_placed.load(Relaxed),
        }
    }

    /// Counts a placed order.
    pub(crate) fn count_order(&self) {
        self.counters.orders_placed.fetch_add(1, Relaxed);
    }

    /// Waits for running statements, then closes every connection.
    pub async fn close(self) -> Result<()> {
        self.readers.close().await?;
        self.primary.close().await?;
        if let Writer::Grouped { checkpoint, checkpoints, .. } = &self.writer {
            checkpoints.abort();
            checkpoint.close().await?;
        }
        Ok(self.writer.pool().close().await?)
    }
}

impl Writer {
    async fn open(pools: &PoolMaker<'_>) -> Result<Self> {
        if pools.url().backend() != Backend::Sqlite {
            return Ok(Self::Concurrent(
                pools.make("write", Role::Reader, pools.max_connections(), ORDINARY),
                Handle::current(),
            ));
        }
        let writer = pools.make("write", Role::SqliteWriter, 1, ORDINARY);
        open_sqlite_writer(&writer).await?;
        let checkpoint = pools.make("checkpoint", Role::SqliteCheckpoint, 1, ORDINARY);
        let checkpoints = tokio::spawn(checkpoint::run(checkpoint.clone())).abort_handle();
        Ok(Self::Grouped { writer: GroupCommit::spawn(writer), checkpoint, checkpoints })
    }

    fn pool(&self) -> &Pool {
        match self {
            Self::Grouped { writer, .. } => writer.pool(),
            Self::Concurrent(pool, _) => pool,
        }
    }
}

/// Opens the writer, again while other processes that start at the same time change the file to a write-ahead log:
/// SQLite's busy timeout does not cover that.
async fn open_sqlite_writer(writer: &Pool) -> Result<()> {
    let started = Instant::now();
    loop {
        match writer.lease().await.map_err(Error::from) {
            Err(Error::Contention(_)) if started.elapsed() < BUSY_TIMEOUT => {
                tokio::time::sleep(backoff(1)).await;
            }
            outcome => return outcome.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    use crate::testing::demo_database;

    #[tokio::test]
    async fn the_sqlite_writer_syncs_each_commit_to_a_write_ahead_log() {
        let (_directory, db) = demo_database().await;
        for (pragma, expected) in [("synchronous", 2), ("foreign_keys", 1)] {
            let query = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {pragma}"));
            let row = db.writer.pool().query_one_raw(query).await.unwrap().unwrap();
            assert_eq!(row.try_get_by_index::<i32>(0).unwrap(), expected, "{pragma}");
        }
    }
}
