//! Database access: connection pools, transactions, queries.

mod checkpoint;
mod connect;
mod connection;
mod deadlines;
mod echo;
pub(crate) mod error_class;
mod group_commit;
mod lease;
mod outage;
mod pool;
pub(crate) mod query;
mod statements;
mod stats;
pub(crate) mod tasks;
mod transaction;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use connect::{Connector, Role};
use database_url::{Backend, DatabaseUrl};
use deadlines::{Deadlines, ORDINARY, PROBE, REPORT};
pub use echo::silently;
use entity::idempotency_keys;
use group_commit::GroupCommit;
use pool::Limits;
pub use pool::Pool;
use sea_orm::{
    DbBackend, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};
use stats::Counters;
pub use stats::{DatabaseStats, PoolStats};
use tokio::{runtime::Handle, task::AbortHandle};
pub(crate) use transaction::WorkFuture;
use transaction::{BUSY_TIMEOUT, TimeLimit, Work, backoff, with_retries};

use crate::{Error, Result};

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
    report_reader: Pool,
    page_reader: Pool,
    probe: Pool,
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
    /// Connects within the acquire timeout, or fails with the reason.
    ///
    /// Transactions run on the runtime of the caller: one that serves HTTP ends with its worker.
    pub async fn connect(url: &DatabaseUrl, settings: Settings) -> Result<Self> {
        let counters = Arc::default();
        let backend = match url.backend() {
            Backend::Sqlite => DbBackend::Sqlite,
            Backend::Postgres => DbBackend::Postgres,
            Backend::MySql => DbBackend::MySql,
        };
        url.create_file();
        let acquire_timeout = settings.acquire_timeout;
        let pool = |name, role, max_connections, acquire_timeout, deadlines: Deadlines| {
            let connector = Connector::new(url, role, acquire_timeout, deadlines.statement);
            let limits = Limits { max_connections, acquire_timeout, deadline: deadlines.answer };
            Pool::new(name, (connector, backend), limits, &counters)
        };
        let one = |name, role| pool(name, role, 1, acquire_timeout, ORDINARY);
        let max_connections = usize::try_from(settings.max_connections).unwrap_or(usize::MAX);
        let (writer, reader) = if backend == DbBackend::Sqlite {
            let writer = one("write", Role::SqliteWriter);
            // The writer comes first, since it changes the file to a write-ahead log.
            open_sqlite_writer(&writer).await?;
            let checkpoint = one("checkpoint", Role::SqliteCheckpoint);
            let checkpoints = tokio::spawn(checkpoint::run(checkpoint.clone())).abort_handle();
            let writer = GroupCommit::spawn(writer);
            let writer = Writer::Grouped { writer, checkpoint, checkpoints };
            (writer, pool("read", Role::Reader, max_connections, acquire_timeout, ORDINARY))
        } else {
            let all = pool("all", Role::Reader, max_connections, acquire_timeout, ORDINARY);
            (Writer::Concurrent(all.clone(), Handle::current()), all)
        };
        drop(reader.lease().await?);
        let page_reader = reader.half();
        let reports = (max_connections / 4).max(1);
        let report_reader = pool("reports", Role::Reader, reports, acquire_timeout, REPORT);
        let probe = pool("probe", Role::Reader, 1, PROBE.answer, PROBE);
        Ok(Self { reader, report_reader, page_reader, probe, writer, max_connections, counters })
    }

    /// Returns the pool for reading. Each statement takes a connection and gives it back.
    #[must_use]
    pub fn reader(&self) -> &Pool {
        &self.reader
    }

    /// Returns the pool for reports: it has a quarter as many connections, and its statements may run for longer.
    #[must_use]
    pub fn report_reader(&self) -> &Pool {
        &self.report_reader
    }

    /// Returns the pool for a page of a stream: at most half of the connections, unless it is the first page, which may
    /// be all that there is.
    pub(crate) fn page_reader(&self, is_first: bool) -> &Pool {
        if is_first { &self.reader } else { &self.page_reader }
    }

    /// Returns a pool of one connection apart from the others, for readiness probes: it answers within 2 s.
    #[must_use]
    pub fn probe(&self) -> &Pool {
        &self.probe
    }

    /// Tests by a statement that changes nothing whether the database takes writes: a standby does not. One statement on
    /// the connection for probes, none on SQLite.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it is read-only or does not answer.
    pub async fn test_write(&self) -> Result<()> {
        if let Writer::Concurrent(..) = self.writer {
            let nothing = Expr::val(1).eq(0);
            idempotency_keys::Entity::delete_many().filter(nothing).exec(&self.probe).await?;
        }
        Ok(())
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
        self.write_within(TimeLimit::Ordinary, work).await
    }

    /// Runs `work` like [`Database::write`], for as long as it takes.
    pub(crate) async fn write_many<T: Send + 'static>(
        &self,
        work: impl Work<T> + 'static,
    ) -> Result<T> {
        self.write_within(TimeLimit::Unlimited, work).await
    }

    async fn write_within<T: Send + 'static>(
        &self,
        limit: TimeLimit,
        work: impl Work<T> + 'static,
    ) -> Result<T> {
        match &self.writer {
            Writer::Grouped { writer, .. } => writer.write(work).await,
            Writer::Concurrent(pool, runtime) => {
                let pool = pool.clone();
                runtime.spawn(async move { with_retries(&pool, limit, &work).await }).await?
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

    #[cfg(test)]
    pub(crate) fn writer_pool(&self) -> &Pool {
        match &self.writer {
            Writer::Grouped { writer, .. } => writer.pool(),
            Writer::Concurrent(pool, _) => pool,
        }
    }

    /// Returns the statistics of the pools.
    #[must_use]
    pub fn stats(&self) -> DatabaseStats {
        let mut pools = vec![self.reader.stats(), self.report_reader.stats()];
        if let Writer::Grouped { writer, .. } = &self.writer {
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
        self.probe.close().await?;
        self.report_reader.close().await?;
        self.reader.close().await?;
        if let Writer::Grouped { writer, checkpoint, checkpoints } = &self.writer {
            checkpoints.abort();
            checkpoint.close().await?;
            writer.pool().close().await?;
        }
        Ok(())
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
            let row = db.writer_pool().query_one_raw(query).await.unwrap().unwrap();
            assert_eq!(row.try_get_by_index::<i32>(0).unwrap(), expected, "{pragma}");
        }
    }
}
