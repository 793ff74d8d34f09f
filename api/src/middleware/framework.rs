//! Middleware of the framework, configured: access log and security headers.

use actix_web::{
    HttpMessage,
    dev::ServiceResponse,
    middleware::{Condition, DefaultHeaders, Logger},
};
use service::api_keys::Caller;

use super::client_address::TrustedProxies;
use crate::respond::problem::Problem;

/// Target of the access log.
const TARGET: &str = "access";

/// First letter of a line that is not written: the request was refused because of limits, and is part of a summary.
const SHED: &str = "\0";

/// Middleware: logs each request with its client, status, size, duration, request id and the id of the API key, unless the log filter excludes
/// them.
pub fn access_log() -> Condition<Logger> {
    let format = r#"%{shed}xo%{client}xi "%r" %s %b bytes %Ts %{x-request-id}o %{key}xo"#;
    let logger = Logger::new(format)
        .log_target(TARGET)
        .custom_response_replace("key", api_key_id)
        .custom_response_replace("shed", |response| {
            let error = response.response().error();
            let problem = error.and_then(|error| error.as_error::<Problem>());
            let is_shed = problem.is_some_and(|problem| problem.shed().is_some());
            if is_shed { SHED.to_owned() } else { String::new() }
        })
        .custom_request_replace("client", |request| {
            let client = TrustedProxies::client_of(request.request());
            client.map_or_else(|| "-".to_owned(), |client| client.to_string())
        });
    Condition::new(log::log_enabled!(target: TARGET, log::Level::Info), logger)
}

/// Returns the id of the request's API key, or `-`.
fn api_key_id(response: &ServiceResponse) -> String {
    let extensions = response.request().extensions();
    extensions.get::<Caller>().map_or_else(|| "-".to_owned(), |caller| caller.id.clone())
}

/// Returns whether a line of the access log is not to be written.
#[must_use]
pub fn is_shed(target: &str, line: &str) -> bool {
    target == TARGET && line.starts_with(SHED)
}

/// Middleware: adds the headers that restrict what a browser does with an answer
/// (<https://owasp.org/www-project-secure-headers/>), with the scheme `https` also the one that makes it stay with HTTPS.
pub fn security_headers(scheme: &str) -> DefaultHeaders {
    let headers = DefaultHeaders::new()
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("X-Frame-Options", "DENY"))
        .add(("Referrer-Policy", "no-referrer"))
        // The pages at /docs have scripts and styles of their own, some of them inline.
        .add((
            "Content-Security-Policy",
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             frame-ancestors 'none'",
        ));
    if scheme == "https" {
        return headers.add(("Strict-Transport-Security", "max-age=31536000"));
    }
    headers
}
