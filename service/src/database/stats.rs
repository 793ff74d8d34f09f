//! Statistics of the database connections.

use std::sync::atomic::AtomicU64;

/// Statistics of the database connections of this process.
#[derive(Clone, Debug)]
pub struct DatabaseStats {
    /// Statistics of each pool.
    pub pools: Vec<PoolStats>,
    /// Statements so far, except housekeeping and those that begin and end transactions.
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
