//! Time limits of statements and transactions.
//!
//! The server ends a statement after [`STATEMENT_TIMEOUT`]. This program waits a little longer for its answer, then
//! gives up the connection: the network or the server is silent. SQLite has no network; there a statement is ended by
//! an interrupt.

use std::time::Duration;

/// Time limit of the server for a statement.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Time after which PostgreSQL and MariaDB end a transaction whose program is silent, and release its locks.
pub const IDLE_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);

/// Time within which an ordinary statement must have been answered, or a transaction must be done.
pub const ORDINARY: Duration = Duration::from_secs(10);

/// Time within which a report must have been answered.
pub const REPORT: Duration = Duration::from_secs(35);

/// Time within which a probe or a test of an idle connection must have been answered.
pub const PROBE: Duration = Duration::from_secs(2);
