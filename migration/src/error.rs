//! What can go wrong with the schema. No message holds the database's address.

use std::time::Duration;

use sea_orm::DbErr;

/// What a function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is of no database that this program knows.
    #[error("the database URL must start with sqlite:, postgres: or mysql:")]
    Scheme,
    /// The database cannot be reached, or does not let us in.
    #[error("cannot connect to the database: {0}")]
    Connect(DbErr),
    /// Another migrator has held the lock for so long.
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
