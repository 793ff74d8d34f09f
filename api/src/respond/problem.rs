//! Problems: error responses as of RFC 9457.

use std::{borrow::Cow, fmt};

use actix_web::{
    Error, HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
};
use serde::Serialize;
use service::Violation;
use utoipa::ToSchema;

use super::shed::Reason;

/// Greatest number of characters of the input that a message quotes.
pub const QUOTED: usize = 64;

/// Greatest number of characters of a pointer or a reason.
const MAX_CHARS: usize = 256;

/// Error in a field of the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Place of the error: a JSON pointer (RFC 6901) into the input.
    pub pointer: String,
    /// Reason.
    pub detail: String,
}

impl FieldError {
    /// Creates an error at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: shorten(&pointer.into(), MAX_CHARS).into_owned(),
            detail: shorten(&detail.into(), MAX_CHARS).into_owned(),
        }
    }
}

/// Returns at most `max` characters of `text`, the last one `…` if some were left out.
pub fn shorten(text: &str, max: usize) -> Cow<'_, str> {
    let Some((end, _)) = text.char_indices().nth(max) else { return text.into() };
    let kept = text.get(..end).unwrap_or_default();
    let mut characters = kept.chars();
    characters.next_back();
    format!("{}…", characters.as_str()).into()
}

/// Places in the input what the service cannot accept.
impl From<&Violation> for FieldError {
    fn from(violation: &Violation) -> Self {
        let pointer = match violation {
            Violation::UnknownCustomer(_) => "/customer_id".to_owned(),
            Violation::UnknownItem { line, .. } => format!("/items/{line}/id"),
            Violation::TotalTooLarge => "/items".to_owned(),
            Violation::TooManyIds { .. } => "/orders".to_owned(),
            Violation::TooManyPeriods { .. } => "/to".to_owned(),
        };
        Self { pointer, detail: violation.to_string() }
    }
}

/// Reason why a request was refused.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
    /// Cause for the log, which the client does not see.
    cause: Option<String>,
    /// Limit because of which the request was refused.
    shed: Option<Reason>,
}

/// Body of an error response: a problem as of RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Always `about:blank`: the status identifies the kind of problem.
    #[schema(example = "about:blank")]
    r#type: &'static str,
    /// Meaning of the status.
    #[schema(example = "Not Found")]
    title: &'static str,
    /// Status code.
    #[schema(example = 404)]
    status: u16,
    /// Reason of this refusal.
    #[schema(example = "there is no order 99")]
    detail: &'a str,
    /// Id of the request, by which the log can be searched.
    request_id: &'a str,
    /// Errors in the fields of the input.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Option<Vec<FieldError>>)]
    errors: &'a [FieldError],
}

impl Problem {
    /// Creates a problem with a detail for the client.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = match detail.into() {
            Cow::Borrowed(detail) => detail.into(),
            Cow::Owned(detail) => shorten(&detail, MAX_CHARS).into_owned().into(),
        };
        Self { status, detail, errors: Vec::new(), header: None, cause: None, shed: None }
    }

    /// Creates a problem with status 400, for a malformed request.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Creates a problem with status 422, for fields that cannot be accepted.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "the request cannot be accepted");
        Self { errors, ..problem }
    }

    /// Says that `omitted` further errors are not listed.
    pub fn with_omitted(mut self, omitted: usize) -> Self {
        if omitted > 0 {
            self.detail =
                format!("{}; {omitted} further errors are not listed", self.detail).into();
        }
        self
    }

    /// Adds a header to the response.
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some(Box::new((name, value))), ..self }
    }

    /// Creates a problem with status 500, whose cause is only logged.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let problem = Self::of_status(StatusCode::INTERNAL_SERVER_ERROR);
        Self { cause: Some(cause.to_string()), ..problem }
    }

    /// Returns the limit because of which the request was refused. Such requests are counted and not logged.
    #[must_use]
    pub const fn shed(&self) -> Option<Reason> {
        self.shed
    }

    /// Changes the status of errors in fields to 400, as the tutorial's routes answer them.
    pub fn or_400(mut self) -> Self {
        if !self.errors.is_empty() {
            self.status = StatusCode::BAD_REQUEST;
        }
        self
    }

    /// Returns the problem in an error of a handler, an extractor or the framework.
    pub fn of(error: &Error) -> Self {
        match error.as_error::<Self>() {
            Some(problem) => problem.clone(),
            None => Self::of_status(error.as_response_error().status_code()),
        }
    }

    /// Returns the problem for a status that the framework chose.
    pub fn of_status(status: StatusCode) -> Self {
        let detail = match status {
            StatusCode::NOT_FOUND => "there is nothing at this path",
            StatusCode::METHOD_NOT_ALLOWED => "method not allowed",
            status if status.is_server_error() => {
                "internal error; the log has more under the request id"
            }
            _ => "the request was refused",
        };
        Self::new(status, detail)
    }

    /// Returns the JSON body.
    pub fn body(&self, request_id: &str) -> String {
        let body = ProblemBody {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Unknown"),
            status: self.status.as_u16(),
            detail: &self.detail,
            request_id,
            errors: &self.errors,
        };
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// Logs a problem of the server.
    pub fn log(&self, request_id: &str) {
        let cause = self.cause.as_deref().unwrap_or(&self.detail);
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            log::error!("{request_id}: {cause}");
        } else if self.status.is_server_error() {
            log::warn!("{request_id}: {cause}");
        }
    }
}

impl From<Reason> for Problem {
    fn from(reason: Reason) -> Self {
        Self { shed: Some(reason), ..Self::new(reason.status(), reason.detail()) }
    }
}

impl From<service::Error> for Problem {
    fn from(error: service::Error) -> Self {
        use service::Error;
        let problem = match &error {
            Error::NotFound { .. } | Error::NoSuchKey(_) => {
                Self::new(StatusCode::NOT_FOUND, error.to_string())
            }
            Error::Invalid(violations) => {
                Self::invalid(violations.iter().map(FieldError::from).collect())
            }
            Error::InUse { .. } => Self::new(StatusCode::CONFLICT, error.to_string()),
            Error::PreconditionFailed => {
                Self::new(StatusCode::PRECONDITION_FAILED, error.to_string())
            }
            Error::KeyReused => Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
            Error::Conflict(_) => {
                Self::new(StatusCode::CONFLICT, "the request conflicts with stored data")
            }
            Error::Contention(_) | Error::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database is unavailable or too busy; try again",
            ),
            Error::OutcomeUnknown(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database failed while the request was being committed; it may or may not have been carried out",
            ),
            Error::NotEmpty
            | Error::UnfinishedLoad { .. }
            | Error::ConcurrentLoad
            | Error::TargetNotEmpty(_)
            | Error::InterruptedCopy
            | Error::CopyDiffers { .. }
            | Error::NothingToOrder
            | Error::AmountOutOfRange(_)
            | Error::Internal(_)
            | Error::NoRandomness(_)
            | Error::Json(_)
            | Error::Task(_)
            | Error::WriterStopped(_) => Self::of_status(StatusCode::INTERNAL_SERVER_ERROR),
        };
        Self { cause: Some(error.to_string()), ..problem }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// The body is written by [`answer_problems`](crate::middleware::request_id::answer_problems), which knows the request
/// id.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status);
        if let Some((name, value)) = self.header.as_deref() {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}
