//! What can go wrong.

use actix_web::{ResponseError, http::StatusCode};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense, or refers to what does not exist.
    #[error("the request cannot be accepted")]
    Invalid,
    /// There is no such order.
    #[error("there is no such order")]
    NotFound,
    /// The database refused or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// A row cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A task did not come to its end.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

/// What a request comes to.
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
