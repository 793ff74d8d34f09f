//! Database access: connection pools, transactions, queries.

mod connect;
mod echo;
pub(crate) mod error_class;
mod group_commit;
mod pool;
pub(crate) mod query;
pub(crate) mod tasks;
mod transaction;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use connect::{Connections, connect};
use database_url::DatabaseUrl;
pub use echo::silently;
use group_commit::GroupCommit;
use pool::Counters;
pub use pool::{DatabaseStats, Pool, PoolStats};
use sea_orm::ConnectionTrait;
use tokio::runtime::Handle;
pub(crate) use transaction::WorkFuture;
use transaction::{Work, with_retries};

use crate::Result;

/// Interval at which SQLite's write-ahead log is truncated.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

/// Settings of a [`Database`].
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Greatest number of connections; on SQLite of readers, beside the one writer.
    pub max_connections: u32,
    /// Time that a task waits for a free connection before it fails with [`crate::Error::Unavailable`].
    pub acquire_timeout: Duration,
}

/// Connection pools of a process. Cheap to clone.
///
/// On SQLite one connection writes and the others are read-only; with a write-ahead log neither blocks the other. On
/// PostgreSQL and MySQL both are the same pool.
#[derive(Clone, Debug)]
pub struct Database {
    reader: Pool,
    writer: Writer,
    max_connections: u32,
    counters: Arc<Counters>,
}

#[derive(Clone, Debug)]
enum Writer {
    /// Transactions run concurrently, in tasks of the runtime that outlives the HTTP workers.
    Concurrent(Pool, Handle),
    /// Transactions run one after the other: SQLite.
    Grouped(GroupCommit),
}

impl Database {
    /// Connects within the acquire timeout, or fails with the reason.
    ///
    /// Transactions run on the runtime of the caller: one that serves HTTP ends with its worker.
    pub async fn connect(url: &DatabaseUrl, settings: Settings) -> Result<Self> {
        let counters = Arc::default();
        let Connections { reader, sqlite_writer } = connect(url, settings).await?;
        let (reader, writer) = if let Some(writer) = sqlite_writer {
            let writer = GroupCommit::spawn(Pool::new("write", writer, &counters));
            (Pool::new("read", reader, &counters), Writer::Grouped(writer))
        } else {
            let pool = Pool::new("all", reader, &counters);
            (pool.clone(), Writer::Concurrent(pool, Handle::current()))
        };
        let max_connections = settings.max_connections;
        Ok(Self { reader, writer, max_connections, counters })
    }

    /// Returns the pool for reading. Each statement takes a connection and gives it back.
    #[must_use]
    pub fn reader(&self) -> &Pool {
        &self.reader
    }

    /// Returns the number of tasks of one request that may read concurrently: half of the pool, so that a request
    /// for many rows leaves connections for others.
    #[must_use]
    pub fn tasks_per_request(&self) -> usize {
        (self.max_connections / 2).max(1).try_into().unwrap_or(1)
    }

    /// Runs `work` in a transaction: it is committed whole or, on an error, rolled back.
    ///
    /// The transaction runs to its end even if the caller drops the future. `work` is run again, a few times, when
    /// it conflicts with another transaction, so it must have no effect outside of its own.
    pub async fn write<T: Send + 'static>(&self, work: impl Work<T> + 'static) -> Result<T> {
        match &self.writer {
            Writer::Grouped(writer) => writer.write(work).await,
            Writer::Concurrent(pool, runtime) => {
                let pool = pool.clone();
                let transaction = async move {
                    let _in_use = pool.track();
                    with_retries(pool.connections(), &work).await
                };
                runtime.spawn(transaction).await?
            }
        }
    }

    /// Runs the maintenance `work` like [`Database::write`], in a transaction of its own that is not echoed.
    pub(crate) async fn write_silently<T: Send + 'static>(
        &self,
        work: impl Work<T> + 'static,
    ) -> Result<T> {
        match &self.writer {
            Writer::Grouped(writer) => writer.maintain(work).await,
            Writer::Concurrent(pool, _) => {
                let _in_use = pool.track();
                echo::silently(with_retries(pool.connections(), &work)).await
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn writer_pool(&self) -> &Pool {
        match &self.writer {
            Writer::Grouped(writer) => writer.pool(),
            Writer::Concurrent(pool, _) => pool,
        }
    }

    /// Runs the database's maintenance until the task is aborted.
    ///
    /// Overlapping readers keep SQLite from restarting its write-ahead log, and the file would grow.
    pub async fn maintain(self) {
        let Writer::Grouped(writer) = self.writer else { return };
        loop {
            tokio::time::sleep(CHECKPOINT_INTERVAL).await;
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            if let Err(error) = writer.pool().execute_unprepared(checkpoint).await {
                log::warn!("cannot truncate the write-ahead log: {error}");
            }
        }
    }

    /// Returns the statistics of the pools.
    #[must_use]
    pub fn stats(&self) -> DatabaseStats {
        let mut pools = vec![self.reader.stats()];
        if let Writer::Grouped(writer) = &self.writer {
            pools.push(writer.pool().stats());
        }
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
        self.reader.close().await?;
        if let Writer::Grouped(writer) = &self.writer {
            writer.pool().clone().close().await?;
        }
        Ok(())
    }
}
