//! Errors as the client sees them: RFC 9457 problems, whoever refused the request.

use std::{borrow::Cow, fmt};

use actix_web::{
    Error, HttpMessage, HttpResponse, ResponseError,
    body::{self, BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::{PayloadError, QueryPayloadError},
    http::{
        Method, StatusCode,
        header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    },
    middleware::Next,
};
use service::Fault;

use crate::{
    openapi,
    request_id::{self, RequestId},
};

/// Seconds after which a client may try again what was not possible now.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a request was refused.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    errors: Vec<Fault>,
    /// For the log only.
    cause: Option<String>,
}

impl Problem {
    /// `status`, because of `detail`.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), cause: None }
    }

    /// 400: the request makes no sense.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 422: these fields are wrong.
    pub fn invalid(errors: Vec<Fault>) -> Self {
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "the request cannot be accepted");
        Self { errors, ..problem }
    }

    /// 400 for wrong fields, where the tutorial says so.
    pub fn or_400(mut self) -> Self {
        if !self.errors.is_empty() {
            self.status = StatusCode::BAD_REQUEST;
        }
        self
    }

    /// What became of a request that the framework or a handler refused.
    fn of(error: &Error) -> Self {
        if let Some(problem) = error.as_error::<Self>() {
            return problem.clone();
        }
        let status = error.as_response_error().status_code();
        if error.as_error::<QueryPayloadError>().is_some()
            || error.as_error::<PayloadError>().is_some()
        {
            return Self::new(status, error.to_string());
        }
        Self::of_status(status)
    }

    fn of_status(status: StatusCode) -> Self {
        let detail = match status {
            StatusCode::NOT_FOUND => "there is nothing at this path",
            StatusCode::METHOD_NOT_ALLOWED => "this path does not know this method",
            status if status.is_server_error() => "see the log for the request id",
            _ => "the request was refused",
        };
        Self::new(status, detail)
    }

    /// The JSON body.
    fn body(&self, id: &RequestId) -> String {
        let body = openapi::Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Unknown"),
            status: self.status.as_u16(),
            detail: &self.detail,
            request_id: id.as_str(),
            errors: &self.errors,
        };
        serde_json::to_string(&body).unwrap_or_default()
    }

    fn log(&self, id: &RequestId) {
        let cause = self.cause.as_deref().unwrap_or(&self.detail);
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            log::error!("{id}: {cause}");
        } else if self.status.is_server_error() {
            log::warn!("{id}: {cause}");
        }
    }
}

impl From<service::Error> for Problem {
    fn from(error: service::Error) -> Self {
        use service::Error;
        let (status, detail) = match &error {
            Error::NotFound { .. } | Error::NoSuchKey(_) => {
                (StatusCode::NOT_FOUND, error.to_string())
            }
            Error::Invalid(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "the request cannot be accepted".to_owned())
            }
            Error::InUse { .. } => (StatusCode::CONFLICT, error.to_string()),
            Error::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, error.to_string()),
            Error::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
            Error::Conflict(_) => {
                (StatusCode::CONFLICT, "the request clashes with what is stored".to_owned())
            }
            Error::Contention(_) | Error::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the database is away or too busy; try again".to_owned(),
            ),
            Error::NotEmpty
            | Error::NothingToOrder
            | Error::AmountOutOfRange(_)
            | Error::Internal(_)
            | Error::NoRandomness(_)
            | Error::Json(_)
            | Error::Task(_)
            | Error::NoAnswer(_) => return Self::internal(&error),
        };
        let cause = Some(error.to_string());
        let errors = if let Error::Invalid(faults) = error { faults } else { Vec::new() };
        Self { status, detail: detail.into(), errors, cause }
    }
}

impl Problem {
    /// 500: our own fault, told to the log only.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let problem = Self::of_status(StatusCode::INTERNAL_SERVER_ERROR);
        Self { cause: Some(cause.to_string()), ..problem }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// For [`answer`], which writes the body.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status)
    }
}

/// Middleware: gives every request an id and every refusal a problem as its body.
pub async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = RequestId::of(request.headers());
    let is_head = request.method() == Method::HEAD;
    request.extensions_mut().insert(id.clone());
    let mut response = next.call(request).await?.map_into_boxed_body();
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let problem = match response.response().error() {
            Some(error) => Problem::of(error),
            None => Problem::of_status(status),
        };
        problem.log(&id);
        response = with_problem(response, &problem, &id);
    }
    response.headers_mut().insert(request_id::HEADER, id.to_header()?);
    Ok(if is_head { without_stream(response) } else { response })
}

/// The framework sends no body to HEAD, but would take all of it from the database.
fn without_stream(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    response.map_body(|_, body| match body.size() {
        BodySize::Stream => BoxBody::new(body::None::new()),
        _ => body,
    })
}

/// Keeps the headers: a 405 says what is allowed.
fn with_problem(
    response: ServiceResponse<BoxBody>,
    problem: &Problem,
    id: &RequestId,
) -> ServiceResponse<BoxBody> {
    response.map_body(|head, _| {
        head.status = problem.status;
        let json = HeaderValue::from_static("application/problem+json");
        head.headers_mut().insert(CONTENT_TYPE, json);
        if matches!(problem.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
        {
            head.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        BoxBody::new(problem.body(id))
    })
}
