//! Errors and their HTTP status codes.

use actix_web::{ResponseError, http::StatusCode};

/// Error of a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Malformed request, or a reference to an unknown row.
    #[error("the request cannot be accepted")]
    Invalid,
    /// Unknown order.
    #[error("there is no such order")]
    NotFound,
    /// Database error.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// JSON serialisation error.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Panicked or cancelled task.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

/// Result with this peer's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Database(_) | Self::Json(_) | Self::Task(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
