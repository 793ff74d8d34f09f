//! Time limits of statements and transactions.
//!
//! The server ends a statement first. This program waits a little longer for its answer, then gives up the connection:
//! the network or the server is silent. SQLite has no network; there a statement is ended by an interrupt.

use std::time::Duration;

/// Time limits of the connections of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// Time limit of the server for a statement.
    pub statement: Duration,
    /// Time within which a statement must have been answered, or a transaction must be done.
    pub answer: Duration,
}

/// Time limits of ordinary statements and transactions.
pub const ORDINARY: Deadlines =
    Deadlines { statement: Duration::from_secs(9), answer: Duration::from_secs(10) };

/// Time limits of reports.
pub const REPORT: Deadlines =
    Deadlines { statement: Duration::from_secs(30), answer: Duration::from_secs(35) };

/// Time limits of probes, and of tests of idle connections.
pub const PROBE: Deadlines =
    Deadlines { statement: Duration::from_secs(2), answer: Duration::from_secs(2) };

/// Time for which a commit is waited for in any case.
pub const COMMIT: Duration = Duration::from_secs(5);

/// Time after which PostgreSQL and MariaDB end a transaction whose program is silent, and release its locks.
pub const IDLE_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);

/// Time for which a connection waits for its own release at most. It is longer than every deadline, which decides.
pub const RELEASE: Duration = Duration::from_mins(1);
