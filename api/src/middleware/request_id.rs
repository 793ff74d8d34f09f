//! Request id, which relates an answer to the lines of the log, and the bodies of error responses, which carry it.

use std::fmt;

use actix_web::{
    Error, HttpMessage, HttpRequest, ResponseError,
    body::{self, BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{
            CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue, RETRY_AFTER,
        },
    },
    middleware::Next,
    web::Data,
};
use uuid::Uuid;

use super::limits::RequestLimiter;
use crate::respond::problem::Problem;

/// Header that carries the request id in both directions.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Seconds after which a client may repeat a request that could not be answered.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Id of a request: 1 to 64 letters, digits, `-`, `_` or `.`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// Returns the id of a request that passed [`answer_problems`]; an empty one for any other.
    pub fn of(request: &HttpRequest) -> Self {
        request.extensions().get().cloned().unwrap_or_else(|| Self(String::new()))
    }

    /// Returns the client's id if it is valid, or a new one.
    fn from_headers(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok());
        let id = given.filter(|id| is_valid(id)).map(str::to_owned);
        Self(id.unwrap_or_else(|| Uuid::new_v4().simple().to_string()))
    }

    fn to_header(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        HeaderValue::from_str(&self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_valid(id: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(valid)
}

/// Middleware: gives each request an id, and each error response a problem as its body.
pub async fn answer_problems(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = RequestId::from_headers(request.headers());
    let is_head = request.method() == Method::HEAD;
    request.extensions_mut().insert(id.clone());
    let mut response = next.call(request).await?.map_into_boxed_body();
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let problem = match response.response().error() {
            Some(error) => Problem::of(error),
            None => Problem::of_status(status),
        };
        match (problem.shed(), response.request().app_data::<Data<RequestLimiter>>()) {
            (Some(reason), Some(limiter)) => limiter.shed.count(reason),
            _ => problem.log(&id.0),
        }
        response = with_problem(response, &problem, &id);
    }
    response.headers_mut().insert(HEADER, id.to_header()?);
    Ok(if is_head { without_stream(response) } else { response })
}

/// Removes a streamed body. The framework sends no body to HEAD, but would read all of it from the database.
fn without_stream(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    response.map_body(|_, body| match body.size() {
        BodySize::Stream => BoxBody::new(body::None::new()),
        _ => body,
    })
}

/// Replaces the body and keeps the headers, such as `Allow` of a 405.
fn with_problem(
    response: ServiceResponse<BoxBody>,
    problem: &Problem,
    id: &RequestId,
) -> ServiceResponse<BoxBody> {
    response.map_body(|head, _| {
        head.status = problem.status_code();
        let json = HeaderValue::from_static("application/problem+json");
        head.headers_mut().insert(CONTENT_TYPE, json);
        if matches!(head.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            head.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        BoxBody::new(problem.body(&id.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(given: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(given).unwrap());
        RequestId::from_headers(&headers).to_string()
    }

    #[test]
    fn a_clients_id_is_kept_if_it_is_valid() {
        assert_eq!(answered("build-7_b.2"), "build-7_b.2");
        for invalid in ["", "two words", "a\"b", "x".repeat(65).as_str()] {
            assert_ne!(answered(invalid), invalid);
            assert!(is_valid(&answered(invalid)));
        }
    }
}
