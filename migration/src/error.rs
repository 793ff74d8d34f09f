//! What can go wrong with the schema. No message holds a password.

use std::time::Duration;

use database_url::DatabaseUrl;
use sea_orm::DbErr;

/// What a function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, or does not let us in.
    #[error("cannot connect to {url}: {error}")]
    Connect {
        /// Which one.
        url: DatabaseUrl,
        /// Why.
        error: DbErr,
    },
    /// Another migrator has held MySQL's lock for so long. The other databases have errors of their own.
    #[error("another migrator has been at work for {} s", .0.as_secs())]
    Locked(Duration),
    /// A statement failed, or the database has a migration that this program does not know.
    #[error("{0}")]
    Database(DbErr),
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}
