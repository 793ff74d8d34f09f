//! What can go wrong, in the words of the marketplace. The only place that looks into [`DbErr`].

use entity::Money;
use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError, SqlxMySqlError, SqlxSqliteError};

/// What a service function returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a service function could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("there is no {what} {id}")]
    NotFound {
        /// The kind of thing, as in "order".
        what: &'static str,
        /// Its id.
        id: i64,
    },
    /// The input was understood and cannot be accepted; nothing was changed.
    #[error("{}", summary(.0))]
    Invalid(Vec<Fault>),
    /// It would break a rule that the database enforces; nothing was changed.
    #[error("the request clashes with what is stored: {0}")]
    Conflict(DbErr),
    /// It met other transactions again and again; nothing was changed, and it may be tried again.
    #[error("too much happens at the same time: {0}")]
    Contention(DbErr),
    /// The database is away, full, or busy for too long. If it went away during a commit, nobody knows
    /// whether that took place.
    #[error("the database is not available: {0}")]
    Unavailable(DbErr),
    /// Orders refer to it.
    #[error("the {what} {id} cannot be deleted: order {order} refers to it")]
    InUse {
        /// The kind of thing, as in "item".
        what: &'static str,
        /// Its id.
        id: i64,
        /// One of the orders.
        order: i64,
    },
    /// It is not, or no longer, as the caller saw it; nothing was changed.
    #[error("the resource is not the version that the request is about")]
    PreconditionFailed,
    /// Another request came with this idempotency key before.
    #[error("this Idempotency-Key came with another request before")]
    KeyReused,
    /// There is no such key to the API.
    #[error("there is no API key {0}")]
    NoSuchKey(String),
    /// The operating system has no random bytes for a key.
    #[error("no random bytes: {0}")]
    NoRandomness(#[from] rand::rngs::SysError),
    /// Only an empty database can be seeded.
    #[error("the database is not empty; seeding adds to nothing")]
    NotEmpty,
    /// Orders are placed by someone, and for something.
    #[error("orders need at least one customer and one item")]
    NothingToOrder,
    /// The database holds an amount that no order may have.
    #[error("{0} holds an amount outside 0 to {max}", max = Money::MAX)]
    AmountOutOfRange(String),
    /// A fault of ours or of the database.
    #[error("{0}")]
    Internal(DbErr),
    /// JSON of ours could not be written or read.
    #[error("JSON of our own: {0}")]
    Json(#[from] serde_json::Error),
    /// A task of ours panicked or was aborted.
    #[error("a task did not end: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// A task of ours ended without an answer.
    #[error("a task did not answer: {0}")]
    NoAnswer(#[from] tokio::sync::oneshot::error::RecvError),
}

/// One thing that is wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Fault {
    /// Where: a JSON pointer (RFC 6901) into the input.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

impl Fault {
    /// `detail` is wrong at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

impl Error {
    /// Whether the request is refused for what it asks, and the database is as it should be.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::NotFound { .. }
            | Self::Invalid(_)
            | Self::InUse { .. }
            | Self::PreconditionFailed
            | Self::KeyReused
            | Self::NoSuchKey(_)
            | Self::NotEmpty
            | Self::NothingToOrder
            | Self::AmountOutOfRange(_) => true,
            Self::Conflict(_)
            | Self::Contention(_)
            | Self::Unavailable(_)
            | Self::Internal(_)
            | Self::NoRandomness(_)
            | Self::Json(_)
            | Self::Task(_)
            | Self::NoAnswer(_) => false,
        }
    }
}

fn summary(faults: &[Fault]) -> String {
    let faults: Vec<_> = faults.iter().map(|f| format!("{}: {}", f.pointer, f.detail)).collect();
    faults.join("; ")
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match kind(&error) {
            Kind::Conflict => Self::Conflict(error),
            Kind::Contention => Self::Contention(error),
            Kind::Unavailable => Self::Unavailable(error),
            Kind::Other => Self::Internal(error),
        }
    }
}

enum Kind {
    Conflict,
    Contention,
    Unavailable,
    Other,
}

fn kind(error: &DbErr) -> Kind {
    if let Some(SqlErr::ForeignKeyConstraintViolation(_) | SqlErr::UniqueConstraintViolation(_)) =
        error.sql_err()
    {
        return Kind::Conflict;
    }
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error)) => match sqlx_kind(error) {
            Kind::Other => Kind::Unavailable,
            kind => kind,
        },
        DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Kind::Unavailable,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            sqlx_kind(error)
        }
        _ => Kind::Other,
    }
}

fn sqlx_kind(error: &SqlxError) -> Kind {
    match error {
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed
        | SqlxError::BeginFailed => Kind::Unavailable,
        SqlxError::Database(error) => {
            let code = error.code().unwrap_or_default();
            if error.try_downcast_ref::<SqlxSqliteError>().is_some() {
                sqlite_kind(&code)
            } else if let Some(error) = error.try_downcast_ref::<SqlxMySqlError>() {
                mysql_kind(error.number())
            } else {
                postgres_kind(&code)
            }
        }
        _ => Kind::Other,
    }
}

/// The low byte of an extended code is the primary one: <https://www.sqlite.org/rescode.html>.
fn sqlite_kind(code: &str) -> Kind {
    match code.parse::<i32>().unwrap_or_default() & 0xff {
        5 | 6 => Kind::Contention,             // BUSY, LOCKED
        8 | 10 | 13 | 14 => Kind::Unavailable, // READONLY, IOERR, FULL, CANTOPEN
        _ => Kind::Other,
    }
}

/// <https://mariadb.com/docs/server/reference/error-codes>
fn mysql_kind(number: u16) -> Kind {
    match number {
        1020 | 1205 | 1213 => Kind::Contention, // record changed, lock wait timeout, deadlock
        1021 | 1040 | 1053 | 1114 | 1203 | 1290 | 1836 | 1927 => Kind::Unavailable, // full, too many, shutdown, read-only
        _ => Kind::Other,
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn postgres_kind(state: &str) -> Kind {
    match state {
        "40001" | "40P01" | "55P03" => Kind::Contention, // serialisation failure, deadlock, lock timeout
        "25006" => Kind::Unavailable,                    // read-only
        _ if ["08", "53", "57"].iter().any(|class| state.starts_with(class)) => Kind::Unavailable,
        _ => Kind::Other,
    }
}
