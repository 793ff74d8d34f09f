//! Connections: pools for reading and writing, and the one way to write.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use database_url::{Backend, DatabaseUrl};
use futures_util::future::BoxFuture;
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction,
    sqlx::{
        Connection, Executor,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};

use tokio::runtime::Handle;

use crate::{
    Error, Result,
    group_commit::GroupCommit,
    pool::{Counters, Load, Pool},
    transaction::{PATIENCE, pause, with_retries},
};

/// How often SQLite's write-ahead log is shortened.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

/// How a [`Database`] shares its connections.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The most connections at once; on SQLite the most readers, beside the one writer.
    pub max_connections: u32,
    /// How long a task waits for a free connection before it is [`Error::Unavailable`].
    pub acquire_timeout: Duration,
}

/// The pools of a process. Cheap to clone.
///
/// On SQLite one connection writes and others only read; with a write-ahead log neither waits for the
/// other. On PostgreSQL and MySQL both are the same pool.
#[derive(Clone, Debug)]
pub struct Database {
    reader: Pool,
    writer: Writer,
    max_connections: u32,
    counters: Arc<Counters>,
    /// Where transactions run: one that serves HTTP ends with its worker, and what runs there with it.
    runtime: Handle,
}

#[derive(Clone, Debug)]
enum Writer {
    /// Where transactions run side by side.
    Pool(Pool),
    /// Where there is one at a time: SQLite.
    Grouped(Arc<GroupCommit>),
}

impl Database {
    /// Connects, or tells why that cannot be, within the acquire timeout.
    pub async fn connect(url: &DatabaseUrl, settings: Settings) -> Result<Self> {
        let options = options(url, settings);
        let counters = Arc::default();
        let (reader, writer) = if url.backend() == Backend::Sqlite {
            let writer = open_first(sqlite_writer(options.clone())).await?;
            let writer = GroupCommit::new(Pool::new("write", writer, &counters));
            let reader = Pool::new("read", open(sqlite_reader(options)).await?, &counters);
            (reader, Writer::Grouped(Arc::new(writer)))
        } else {
            let pool = Pool::new("all", open(options).await?, &counters);
            (pool.clone(), Writer::Pool(pool))
        };
        let runtime = Handle::current();
        Ok(Self { reader, writer, max_connections: settings.max_connections, counters, runtime })
    }

    /// The pool for reading. Each statement takes a connection and gives it back.
    #[must_use]
    pub fn reader(&self) -> &Pool {
        &self.reader
    }

    /// How many tasks of one request may read at once: half of the pool, so that a request
    /// that asks for much leaves room for others.
    #[must_use]
    pub fn tasks_per_request(&self) -> usize {
        (self.max_connections / 2).max(1).try_into().unwrap_or(1)
    }

    /// Carries out `work` in a transaction: all of it or, on an error, nothing.
    ///
    /// A caller that goes away does not stop it halfway. `work` starts over, a few times, when it
    /// clashes with another transaction, so it must have no effect outside of its own.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> Fn(&'a DatabaseTransaction) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
    {
        match self.writer.clone() {
            Writer::Pool(pool) => {
                let task = self.runtime.spawn(async move {
                    let (connections, _asking) = pool.ask();
                    with_retries(connections, &work).await
                });
                task.await?
            }
            Writer::Grouped(group) => group.write(&self.runtime, work).await,
        }
    }

    /// Does for ever what the database must have done now and then; for a task of its own.
    ///
    /// Readers that overlap keep SQLite from starting its write-ahead log anew, and the file grows.
    pub async fn maintain(self) {
        let Writer::Grouped(group) = self.writer else { return };
        loop {
            tokio::time::sleep(CHECKPOINT_INTERVAL).await;
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            if let Err(error) = group.pool().execute_unprepared(checkpoint).await {
                log::warn!("cannot shorten the write-ahead log: {error}");
            }
        }
    }

    /// How busy the database is.
    #[must_use]
    pub fn load(&self) -> Load {
        let mut pools = vec![self.reader.load()];
        if let Writer::Grouped(group) = &self.writer {
            pools.push(group.pool().load());
        }
        Load {
            pools,
            statements: self.counters.statements.load(Relaxed),
            orders_placed: self.counters.orders_placed.load(Relaxed),
        }
    }

    /// Counts an order that is placed.
    pub(crate) fn count_order(&self) {
        self.counters.orders_placed.fetch_add(1, Relaxed);
    }

    /// Lets running statements end, then closes every connection.
    pub async fn close(self) -> Result<()> {
        self.reader.close().await?;
        if let Writer::Grouped(group) = &self.writer {
            group.pool().clone().close().await?;
        }
        Ok(())
    }
}

/// Tries again while other processes that start at once change the file to a write-ahead log: SQLite
/// itself does not wait for that.
async fn open_first(options: ConnectOptions) -> Result<DatabaseConnection> {
    let started = Instant::now();
    loop {
        match open(options.clone()).await {
            Err(Error::Contention(_)) if started.elapsed() < PATIENCE => {
                tokio::time::sleep(pause(1)).await;
            }
            outcome => return outcome,
        }
    }
}

async fn open(options: ConnectOptions) -> Result<DatabaseConnection> {
    Ok(sea_orm::Database::connect(options).await?)
}

fn options(url: &DatabaseUrl, settings: Settings) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.expose());
    options
        .max_connections(settings.max_connections)
        .acquire_timeout(settings.acquire_timeout)
        .connect_timeout(settings.acquire_timeout)
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        // Statements are formatted for the log even where nobody reads it.
        .sqlx_logging(log::log_enabled!(target: "sqlx::query", log::Level::Debug))
        .sqlx_logging_level(log::LevelFilter::Debug)
        .map_sqlx_postgres_opts(|postgres| {
            postgres.options([("lock_timeout", "5s"), ("statement_timeout", "60s")])
        })
        .map_sqlx_mysql_pool_opts(|pool| {
            // Orders' lines are gathered into one text; MariaDB would cut it off at this length.
            let limits = "SET SESSION innodb_lock_wait_timeout = 5, lock_wait_timeout = 5, \
                          group_concat_max_len = 16777216";
            pool.after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(limits).await.map(drop) })
            })
        });
    options
}

fn sqlite_writer(mut options: ConnectOptions) -> ConnectOptions {
    options
        .max_connections(1)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                // NORMAL may lose acknowledged commits when the power fails.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(PATIENCE)
        })
        .map_sqlx_sqlite_pool_opts(|pool| {
            // When the disk is full SQLite itself ends the transaction, and sqlx goes on counting it as
            // open: every later commit would only end a savepoint. Such a connection must not be kept.
            pool.after_release(|connection, _| {
                Box::pin(async move { Ok(!connection.is_in_transaction()) })
            })
        });
    options
}

fn sqlite_reader(mut options: ConnectOptions) -> ConnectOptions {
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .read_only(true)
            .busy_timeout(PATIENCE)
            // A long answer goes through all connections, and each keeps that many KiB of the file.
            .pragma("cache_size", "-1024")
            // Rows come from a thread; it need not wait for their reader within a page.
            .row_buffer_size(500)
    });
    options
}
