//! Errors of the service, in the terms of the marketplace.

use entity::Money;
use sea_orm::DbErr;

use crate::database::error_class::{ErrorClass, classify, is_read_only};

/// Result of a service function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Reason why a service function failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The entity does not exist.
    #[error("there is no {what} {id}")]
    NotFound {
        /// Kind of entity, as in "order".
        what: &'static str,
        /// Its id.
        id: i64,
    },
    /// Valid values that together, or with what is stored, cannot be accepted; nothing was changed.
    #[error("{}", join(.0))]
    Invalid(Vec<Violation>),
    /// The change would break a constraint of the database; nothing was changed.
    #[error("the request conflicts with stored data: {0}")]
    Conflict(DbErr),
    /// The transaction conflicted with others repeatedly; nothing was changed, and it may be tried again.
    #[error("too many concurrent changes: {0}")]
    Contention(DbErr),
    /// The database is unreachable, full, read-only, or busy for too long; nothing was changed.
    #[error("the database is not available: {0}")]
    Unavailable(DbErr),
    /// The database failed during the commit: the change is made or not made, whole in any case.
    #[error("the outcome of the commit is unknown: {0}")]
    OutcomeUnknown(DbErr),
    /// Another entity refers to the entity.
    #[error("{what} {id} cannot be deleted: {by} {by_id} refers to it")]
    InUse {
        /// Kind of entity, as in "item".
        what: &'static str,
        /// Its id.
        id: i64,
        /// Kind of the referring entity, as in "order".
        by: &'static str,
        /// Its id.
        by_id: i64,
    },
    /// The resource is not, or no longer, the version that the caller expects; nothing was changed.
    #[error("the resource does not have the expected version")]
    PreconditionFailed,
    /// The idempotency key was used for another request.
    #[error("this Idempotency-Key was used for another request")]
    KeyReused,
    /// The API key does not exist.
    #[error("there is no API key {0}")]
    NoSuchKey(String),
    /// The operating system has no random bytes for a key.
    #[error("no random bytes: {0}")]
    NoRandomness(#[from] rand::rngs::SysError),
    /// Only an empty database can be seeded.
    #[error("the database is not empty; only an empty database can be seeded")]
    NotEmpty,
    /// The database holds a part of another bulk load.
    #[error(
        "the database holds an unfinished load ({unfinished}), not the requested one ({task}); \
         complete that one, or remove all data with `marketsvc migrate fresh`"
    )]
    UnfinishedLoad {
        /// Description of the load that is not finished.
        unfinished: String,
        /// Description of the requested load.
        task: String,
    },
    /// Another process loads rows into the database at the same time.
    #[error("another process is loading data into the database")]
    ConcurrentLoad,
    /// Only an empty database can be the target of a copy.
    #[error(
        "the target is not empty: its table {0} has rows; `marketsvc migrate fresh` removes all data"
    )]
    TargetNotEmpty(&'static str),
    /// The target of a copy holds a part of the rows.
    #[error(
        "an earlier copy or seed of the target was interrupted; remove all data with \
         `marketsvc migrate fresh`, then copy again"
    )]
    InterruptedCopy,
    /// The source of a copy, or its target, was changed meanwhile.
    #[error(
        "{table} has {source_rows} rows in the source and {target_rows} in the target: something \
         has written to one of them; stop it, remove all data of the target with \
         `marketsvc migrate fresh`, then copy again"
    )]
    CopyDiffers {
        /// Name of the table.
        table: &'static str,
        /// Number of rows in the source.
        source_rows: u64,
        /// Number of rows in the target.
        target_rows: u64,
    },
    /// Orders need customers and items.
    #[error("orders need at least one customer and one item")]
    NothingToOrder,
    /// The database holds an amount outside the range of [`Money`].
    #[error("{0} holds an amount outside 0 to {max}", max = Money::MAX)]
    AmountOutOfRange(String),
    /// Defect of this program, or unexpected answer of the database.
    #[error("{0}")]
    Internal(DbErr),
    /// A stored answer could not be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A task panicked or was aborted.
    #[error("a task did not finish: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// A queued transaction was dropped without an answer.
    #[error("the writer stopped: {0}")]
    WriterStopped(#[from] tokio::sync::oneshot::error::RecvError),
}

/// Reason why valid values cannot be accepted together, or with what is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The customer of an order does not exist.
    #[error("there is no customer {0}")]
    UnknownCustomer(i64),
    /// The item of an order line does not exist.
    #[error("there is no item {item_id}")]
    UnknownItem {
        /// Position of the line, from 0.
        line: usize,
        /// Id of the item.
        item_id: i64,
    },
    /// The total of an order is greater than [`Money::MAX`].
    #[error("the total is more than {max}", max = Money::MAX)]
    TotalTooLarge,
    /// One request asks for the totals of too many orders.
    #[error("must have at most {most} ids")]
    TooManyIds {
        /// Greatest number allowed.
        most: usize,
    },
    /// A report would have too many periods.
    #[error("a report has at most {most} periods")]
    TooManyPeriods {
        /// Greatest number allowed.
        most: usize,
    },
}

impl Error {
    /// Returns whether the database refuses to write, while it may be read.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::Unavailable(error) if is_read_only(error))
    }

    /// Returns whether the caller's request is the reason, while the database works as it should.
    pub(crate) fn is_client_error(&self) -> bool {
        match self {
            Self::NotFound { .. }
            | Self::Invalid(_)
            | Self::InUse { .. }
            | Self::PreconditionFailed
            | Self::KeyReused
            | Self::NoSuchKey(_)
            | Self::NotEmpty
            | Self::UnfinishedLoad { .. }
            | Self::ConcurrentLoad
            | Self::TargetNotEmpty(_)
            | Self::InterruptedCopy
            | Self::CopyDiffers { .. }
            | Self::NothingToOrder
            | Self::AmountOutOfRange(_) => true,
            Self::Conflict(_)
            | Self::Contention(_)
            | Self::Unavailable(_)
            | Self::OutcomeUnknown(_)
            | Self::Internal(_)
            | Self::NoRandomness(_)
            | Self::Json(_)
            | Self::Task(_)
            | Self::WriterStopped(_) => false,
        }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match classify(&error) {
            ErrorClass::Conflict => Self::Conflict(error),
            ErrorClass::Contention => Self::Contention(error),
            ErrorClass::Unavailable => Self::Unavailable(error),
            ErrorClass::Other => Self::Internal(error),
        }
    }
}

fn join(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
