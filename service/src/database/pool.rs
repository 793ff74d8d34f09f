//! Connection pool with statistics.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait,
};

use super::echo;

/// Statistics of the database connections of this process.
#[derive(Clone, Debug)]
pub struct DatabaseStats {
    /// Statistics of each pool.
    pub pools: Vec<PoolStats>,
    /// Statements so far, except those that begin and end transactions.
    pub statements: u64,
    /// Orders placed so far.
    pub orders_placed: u64,
}

impl DatabaseStats {
    /// Returns whether a task holds or waits for a connection.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.pools.iter().any(|pool| pool.tracked > 0)
    }
}

/// Statistics of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolStats {
    /// Name of the pool.
    pub name: &'static str,
    /// Connections in use.
    pub in_use: usize,
    /// Open connections that are not in use.
    pub idle: usize,
    /// Tasks that wait for a connection.
    pub waiting: usize,
    /// Tasks that hold or wait for a connection.
    pub tracked: usize,
}

/// Counters of all pools of a process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Statements so far.
    pub statements: AtomicU64,
    /// Orders placed so far.
    pub orders_placed: AtomicU64,
}

/// Pool of connections, each for one statement or transaction at a time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool {
    name: &'static str,
    connections: DatabaseConnection,
    tracked: Arc<AtomicUsize>,
}

impl Pool {
    /// Names `connections` and counts and echoes their statements.
    pub(crate) fn new(
        name: &'static str,
        mut connections: DatabaseConnection,
        counters: &Arc<Counters>,
    ) -> Self {
        let counters = Arc::clone(counters);
        connections.set_metric_callback(move |info| {
            counters.statements.fetch_add(1, Relaxed);
            echo::statement(info.statement, info.elapsed, info.failed);
        });
        Self { name, connections, tracked: Arc::default() }
    }

    /// Returns the connections for a transaction; the caller keeps a guard of [`Pool::track`] meanwhile.
    pub(crate) fn connections(&self) -> &DatabaseConnection {
        &self.connections
    }

    /// Counts a task that holds or waits for a connection until the guard is dropped.
    pub(crate) fn track(&self) -> InUseGuard {
        self.tracked.fetch_add(1, Relaxed);
        InUseGuard(Arc::clone(&self.tracked))
    }

    /// Returns the statistics.
    pub(crate) fn stats(&self) -> PoolStats {
        let (open, idle) = match self.get_database_backend() {
            DbBackend::Sqlite => {
                let pool = self.connections.get_sqlite_connection_pool();
                (pool.size(), pool.num_idle())
            }
            DbBackend::Postgres => {
                let pool = self.connections.get_postgres_connection_pool();
                (pool.size(), pool.num_idle())
            }
            _ => {
                let pool = self.connections.get_mysql_connection_pool();
                (pool.size(), pool.num_idle())
            }
        };
        let in_use = usize::try_from(open).unwrap_or(usize::MAX).saturating_sub(idle);
        let tracked = self.tracked.load(Relaxed);
        let waiting = tracked.saturating_sub(in_use);
        PoolStats { name: self.name, in_use, idle, waiting, tracked }
    }

    /// Waits for running statements, then closes every connection.
    pub(crate) async fn close(self) -> Result<(), DbErr> {
        self.connections.close().await
    }
}

/// Guard of a task that holds or waits for a connection.
pub struct InUseGuard(Arc<AtomicUsize>);

impl Drop for InUseGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        self.connections.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let _in_use = self.track();
        self.connections.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let _in_use = self.track();
        self.connections.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let _in_use = self.track();
        self.connections.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let _in_use = self.track();
        self.connections.query_all_raw(statement).await
    }
}
