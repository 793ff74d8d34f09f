//! A pool of connections that knows how busy it is.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait,
};

/// What the database does for this process.
#[derive(Clone, Debug)]
pub struct Load {
    /// Of each pool.
    pub pools: Vec<PoolLoad>,
    /// Statements so far, but for those that begin and end transactions.
    pub statements: u64,
    /// Orders placed so far.
    pub orders_placed: u64,
}

impl Load {
    /// Whether anybody has or wants a connection.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.pools.iter().any(|pool| pool.asking > 0)
    }
}

/// How busy a pool is.
#[derive(Clone, Copy, Debug)]
pub struct PoolLoad {
    /// What it is called.
    pub name: &'static str,
    /// Connections that somebody holds.
    pub in_use: usize,
    /// Connections that are open and free.
    pub idle: usize,
    /// Tasks that wait for one.
    pub waiting: usize,
    /// Tasks that have one or wait for one.
    pub asking: usize,
}

/// Counts for all pools of a process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Statements so far.
    pub statements: AtomicU64,
    /// Orders placed so far.
    pub orders_placed: AtomicU64,
}

/// Connections, each for one statement or transaction at a time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool {
    name: &'static str,
    connections: DatabaseConnection,
    /// Tasks that have or want one.
    asking: Arc<AtomicUsize>,
}

impl Pool {
    pub(crate) fn new(
        name: &'static str,
        mut connections: DatabaseConnection,
        counters: &Arc<Counters>,
    ) -> Self {
        let counters = Arc::clone(counters);
        connections.set_metric_callback(move |_| {
            counters.statements.fetch_add(1, Relaxed);
        });
        Self { name, connections, asking: Arc::default() }
    }

    /// For transactions, while the returned [`Asking`] lives.
    pub(crate) fn ask(&self) -> (&DatabaseConnection, Asking) {
        self.asking.fetch_add(1, Relaxed);
        (&self.connections, Asking(Arc::clone(&self.asking)))
    }

    /// How busy it is.
    pub(crate) fn load(&self) -> PoolLoad {
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
        let asking = self.asking.load(Relaxed);
        let waiting = asking.saturating_sub(in_use);
        PoolLoad { name: self.name, in_use, idle, waiting, asking }
    }

    /// Lets running statements end, then closes every connection.
    pub(crate) async fn close(self) -> Result<(), DbErr> {
        self.connections.close().await
    }
}

/// Counts a task that has or wants a connection, as long as it lives.
pub struct Asking(Arc<AtomicUsize>);

impl Drop for Asking {
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
        let (connections, _asking) = self.ask();
        connections.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let (connections, _asking) = self.ask();
        connections.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let (connections, _asking) = self.ask();
        connections.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let (connections, _asking) = self.ask();
        connections.query_all_raw(statement).await
    }
}
