//! Middleware of the framework, configured: access log and security headers.

use actix_web::middleware::{Condition, DefaultHeaders, Logger};

/// Target of the access log.
const TARGET: &str = "access";

/// Middleware: logs each request with status, size, duration and request id, unless the log filter excludes them.
pub fn access_log() -> Condition<Logger> {
    let logger = Logger::new(r#"%a "%r" %s %b bytes %Ts %{x-request-id}o"#).log_target(TARGET);
    Condition::new(log::log_enabled!(target: TARGET, log::Level::Info), logger)
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
