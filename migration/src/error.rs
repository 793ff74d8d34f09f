//! Errors of the migration commands. No message contains a password.

use std::time::Duration;

use database_url::DatabaseUrl;
use sea_orm::DbErr;

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a migration command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection or the authentication failed.
    #[error("cannot connect to {url}: {error}")]
    Connect {
        /// URL of the database.
        url: DatabaseUrl,
        /// Error of the driver.
        error: DbErr,
    },
    /// The migration lock was not acquired within this time: another process holds it. SQLite reports the same case
    /// as [`Error::Database`].
    #[error("the migration lock was not acquired within {} s", .0.as_secs())]
    Locked(Duration),
    /// Another process took the lock over, because this one did not renew it.
    #[error("the migration lock was lost")]
    LockLost,
    /// Several servers of the group take writes.
    #[error(
        "the servers are a group with several primaries, where schemas cannot be changed safely: \
         run SELECT group_replication_switch_to_single_primary_mode() first"
    )]
    MultiPrimary,
    /// A statement failed, or the database has an applied migration that this program does not know.
    #[error("{0}")]
    Database(DbErr),
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}
