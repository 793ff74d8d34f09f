//! Open connection of a pool.

use std::{sync::Arc, time::Instant};

use sea_orm::{DatabaseConnection, DatabaseConnectionType};

use super::connect::Interrupt;

/// Open connection.
#[derive(Clone, Debug)]
pub struct Connection {
    pub database: DatabaseConnection,
    pub interrupt: Interrupt,
    /// Time limits that each transaction must set itself, as a statement.
    pub transaction_limits: Option<Arc<str>>,
    pub opened_at: Instant,
    /// Number of times that the pool had given up all connections before.
    pub generation: u64,
}

/// Progress of the driver with a connection that was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It has the answer to the ping that follows each use.
    Done,
    /// It waits for that answer.
    Pending,
    /// The ping has failed, and the connection is closed.
    Failed,
}

impl Connection {
    /// Returns what the driver does with the connection.
    pub fn release(&self) -> Release {
        use DatabaseConnectionType::{
            Disconnected, SqlxMySqlPoolConnection, SqlxPostgresPoolConnection,
            SqlxSqlitePoolConnection,
        };
        let (open, idle) = match &self.database.inner {
            SqlxSqlitePoolConnection(_) => {
                let pool = self.database.get_sqlite_connection_pool();
                (pool.size(), pool.num_idle())
            }
            SqlxPostgresPoolConnection(_) => {
                let pool = self.database.get_postgres_connection_pool();
                (pool.size(), pool.num_idle())
            }
            SqlxMySqlPoolConnection(_) => {
                let pool = self.database.get_mysql_connection_pool();
                (pool.size(), pool.num_idle())
            }
            Disconnected => (0, 0),
        };
        match (open, idle) {
            (0, _) => Release::Failed,
            (_, 0) => Release::Pending,
            _ => Release::Done,
        }
    }
}
