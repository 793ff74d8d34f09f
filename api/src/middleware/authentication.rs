//! Authentication: the table of roles that requests need, and the middleware that identifies the caller by the API key
//! and checks role and rate of the key.

use actix_web::{
    Error, HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
    },
    middleware::Next,
    web::Data,
};
use service::{
    Database,
    api_keys::{self, KeyUsage, Role},
};
use tokio::time::timeout;

use super::limits::{RequestLimiter, timed_out};
use crate::{
    respond::problem::Problem,
    server::{clock, limits::Limits},
};

/// Challenge for a request without an API key (RFC 6750).
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="marketsvc""#);

/// Challenge for a request with an API key that is not active.
const INVALID_TOKEN: HeaderValue =
    HeaderValue::from_static(r#"Bearer realm="marketsvc", error="invalid_token""#);

/// Access that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// No API key.
    Public,
    /// An API key of this role or a higher one.
    Role(Role),
}

/// Returns the access that a request needs, by the path that the router matches. Unknown paths need an API key too, so that they cannot be told from known
/// ones without one.
#[must_use]
pub fn required_access(method: &Method, path: &str) -> Access {
    if is_public(path) {
        Access::Public
    } else if method == Method::GET || method == Method::HEAD {
        Access::Role(Role::Reader)
    } else if method == Method::POST && places_order(path) {
        Access::Role(Role::Writer)
    } else {
        Access::Role(Role::Admin)
    }
}

/// Probes, metrics and the description of the API.
fn is_public(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/metrics" | "/openapi.json" | "/docs")
        || path.starts_with("/docs/")
}

fn places_order(path: &str) -> bool {
    matches!(path, "/api/v1/orders" | "/api/add_new_order")
}

/// Authentication mode of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// They need one.
    Required,
    /// They need none, and one that is sent is ignored.
    Off,
}

/// Middleware: refuses requests without the necessary role and requests above the rate of the API key; the others
/// carry the [`Caller`](api_keys::Caller) in their extensions.
///
/// Refusals are responses and not errors, so that the middleware around this one fills them.
pub async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match check(&request).await {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(Refusal { problem, challenge }) => {
            let mut response = request.error_response(problem);
            if let Some(challenge) = challenge {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            Ok(response)
        }
    }
}

struct Refusal {
    problem: Problem,
    challenge: Option<HeaderValue>,
}

impl Refusal {
    fn unauthorized(detail: &'static str, challenge: HeaderValue) -> Self {
        let problem = Problem::new(StatusCode::UNAUTHORIZED, detail);
        Self { problem, challenge: Some(challenge) }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, challenge: None }
    }
}

async fn check(request: &ServiceRequest) -> Result<(), Refusal> {
    // The path as the router matches it, with percent-encoded characters decoded.
    let access = required_access(request.method(), request.match_info().as_str());
    let Access::Role(needed) = access else { return Ok(()) };
    if let Some(Authentication::Off) = request.app_data() {
        return Ok(());
    }
    let Some(token) = bearer_token(request.headers()) else {
        let missing = "an API key is required, in a header `Authorization: Bearer mk_…`";
        return Err(Refusal::unauthorized(missing, CHALLENGE));
    };
    let db = request.app_data::<Data<Database>>();
    let db = db.ok_or_else(|| Problem::internal("the server has no database"))?;
    let limit = Limits::of(request.request())?.request_timeout;
    let caller =
        timeout(limit, api_keys::authenticate(db.primary_reader(), token, clock::now())).await;
    let caller = caller.map_err(|_| timed_out(&Method::GET))?;
    let Some(caller) = caller.map_err(Problem::from)? else {
        let invalid = "the API key is unknown, has expired or was revoked";
        return Err(Refusal::unauthorized(invalid, INVALID_TOKEN));
    };
    RequestLimiter::of(request.request())?.check_api_key(&caller)?;
    if let Some(usage) = request.app_data::<Data<KeyUsage>>() {
        usage.note(&caller.id, clock::now());
    }
    // Refused requests have a caller too, for the log.
    request.extensions_mut().insert(caller.clone());
    if caller.role < needed {
        let (given, needed) = (caller.role.as_str(), needed.as_str());
        let detail = format!("an API key of role {needed} is required; this one has role {given}");
        return Err(Problem::new(StatusCode::FORBIDDEN, detail).into());
    }
    Ok(())
}

/// Returns the token of the only `Authorization` header, if its scheme is `Bearer`.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION);
    let (Some(header), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_paths_and_methods_need_the_highest_role() {
        for (method, path, expected) in [
            (Method::GET, "/metrics", Access::Public),
            (Method::HEAD, "/docs/index.html", Access::Public),
            (Method::TRACE, "/livez", Access::Public),
            (Method::POST, "/docsx", Access::Role(Role::Admin)),
            (Method::GET, "/docsx", Access::Role(Role::Reader)),
            (Method::GET, "/livez/", Access::Role(Role::Reader)),
            (Method::HEAD, "/nothing", Access::Role(Role::Reader)),
            (Method::POST, "/api/v1/orders", Access::Role(Role::Writer)),
            (Method::POST, "/api/v1/orders/", Access::Role(Role::Admin)),
            (Method::POST, "/api/v1/items", Access::Role(Role::Admin)),
            (Method::PUT, "/api/v1/orders", Access::Role(Role::Admin)),
            (Method::OPTIONS, "/api/v1/orders", Access::Role(Role::Admin)),
        ] {
            assert_eq!(required_access(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_request_has_one_token_or_none() {
        let token = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer_token(&headers).map(str::to_owned)
        };
        assert_eq!(token(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(token(&["bearer  abc"]).as_deref(), Some("abc"));
        for none in [&[][..], &["abc"], &["Basic abc"], &["Bearer"], &["Bearer a", "Bearer a"]] {
            assert_eq!(token(none), None, "{none:?}");
        }
    }
}
