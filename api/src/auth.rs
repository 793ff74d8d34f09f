//! Who may do what: one table, from which follow both the check of a request and what the description of
//! the API says of it.

use std::net::{SocketAddr, ToSocketAddrs};

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
use anyhow::{Context, Result, bail};
use clap::{ValueEnum, builder::FalseyValueParser};
use service::{
    Database,
    api_keys::{self, Role},
};
use tokio::time::timeout;

use crate::{
    clock,
    limits::{self, Limits},
    problem::Problem,
};

/// How a request without a key is told what it lacks (RFC 6750).
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="marketsvc""#);

/// How a request with a key that is not good is told.
const INVALID_TOKEN: HeaderValue =
    HeaderValue::from_static(r#"Bearer realm="marketsvc", error="invalid_token""#);

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// A key of this role, or of one that may do more.
    Role(Role),
}

/// What a request needs. Paths that there are not need a key too, so that nobody learns which there are.
#[must_use]
pub fn access(method: &Method, path: &str) -> Access {
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

/// What supervisors ask, and the description of the API.
fn is_public(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/metrics" | "/openapi.json" | "/docs")
        || path.starts_with("/docs/")
}

fn places_order(path: &str) -> bool {
    matches!(path, "/api/v1/orders" | "/api/add_new_order")
}

/// When requests need a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// Unless nobody but this machine can reach the server
    Auto,
    /// Always
    Required,
    /// Never
    Off,
}

/// Whether requests need a key.
#[derive(Debug, clap::Args)]
pub struct AuthArgs {
    /// Whether requests need an API key
    #[arg(long, env = "MARKETSVC_AUTH", value_name = "WHEN", default_value = "auto")]
    auth: When,
    /// Let in everybody who can reach the server, even on an address that is not a loopback address
    #[arg(
        long,
        env = "MARKETSVC_INSECURE_NO_AUTH",
        value_parser = FalseyValueParser::new()
    )]
    insecure_no_auth: bool,
}

impl AuthArgs {
    /// What is right for a server at `listen`.
    ///
    /// # Errors
    /// Where others than this machine would get in without a key, and nobody said that they may.
    pub fn decide(&self, listen: &str) -> Result<Authentication> {
        let addresses = || {
            let addresses = listen.to_socket_addrs();
            addresses.with_context(|| format!("cannot listen at {listen}"))
        };
        match self.auth {
            When::Required => Ok(Authentication::Required),
            _ if self.insecure_no_auth || addresses()?.all(is_loopback) => Ok(Authentication::Off),
            When::Auto => Ok(Authentication::Required),
            When::Off => bail!(
                "{listen} is not a loopback address: without authentication whoever reaches it could \
                 read and change everything. Leave out `--auth off`, or add `--insecure-no-auth` if \
                 something in front of the server keeps strangers out"
            ),
        }
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Whether requests need a key, once that is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// They do.
    Required,
    /// They do not, and a key that is sent all the same is not looked at.
    Off,
}

impl Authentication {
    /// What an operator should know of it. One statement at most.
    pub async fn warning(self, db: &Database) -> service::Result<Option<&'static str>> {
        Ok(match self {
            Self::Off => Some(
                "authentication is off: whoever reaches this server can read and change everything",
            ),
            Self::Required if api_keys::is_any_good(db.reader(), clock::now()).await? => None,
            Self::Required => Some(
                "there is no API key that would let anybody in: run `marketsvc api-key create --role \
                 admin --name NAME`",
            ),
        })
    }
}

/// Middleware: lets nobody through who may not do what is asked for, and notes the
/// [`Caller`](api_keys::Caller).
///
/// Its refusals are answers, not errors, for the middleware around it to fill.
pub async fn authorise(
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
    fn unauthorised(detail: &'static str, challenge: HeaderValue) -> Self {
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
    let Access::Role(needed) = access(request.method(), request.path()) else { return Ok(()) };
    if let Some(Authentication::Off) = request.app_data() {
        return Ok(());
    }
    let Some(token) = bearer_token(request.headers()) else {
        let missing = "this needs an API key, in a header `Authorization: Bearer mk_…`";
        return Err(Refusal::unauthorised(missing, CHALLENGE));
    };
    let db = request.app_data::<Data<Database>>();
    let db = db.ok_or_else(|| Problem::internal("the server has no database"))?;
    let limit = Limits::of(request.request())?.request_timeout;
    let caller = timeout(limit, api_keys::authenticate(db.reader(), token, clock::now())).await;
    let caller = caller.map_err(|_| limits::too_late(&Method::GET))?;
    let Some(caller) = caller.map_err(Problem::from)? else {
        let wrong = "the API key is unknown, has expired or was revoked";
        return Err(Refusal::unauthorised(wrong, INVALID_TOKEN));
    };
    if caller.role < needed {
        let (given, needed) = (caller.role.as_str(), needed.as_str());
        let detail = format!("this needs an API key of the role {needed}; the key is of {given}");
        return Err(Problem::new(StatusCode::FORBIDDEN, detail).into());
    }
    request.extensions_mut().insert(caller);
    Ok(())
}

/// What follows `Bearer` in the one `Authorization` header.
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
    fn what_is_not_known_needs_the_most() {
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
            assert_eq!(access(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn off_is_for_loopback_addresses_or_the_insecure() {
        use Authentication::{Off, Required};
        let here = ["127.0.0.1:1", "127.9.9.9:0", "[::1]:1", "[::ffff:127.0.0.1]:1"];
        let anywhere = ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1"];
        for (auth, insecure_no_auth, at_home, elsewhere) in [
            (When::Auto, false, Off, Some(Required)),
            (When::Auto, true, Off, Some(Off)),
            (When::Off, false, Off, None),
            (When::Off, true, Off, Some(Off)),
            (When::Required, false, Required, Some(Required)),
            (When::Required, true, Required, Some(Required)),
        ] {
            let args = AuthArgs { auth, insecure_no_auth };
            for listen in here {
                assert_eq!(args.decide(listen).unwrap(), at_home, "{listen} {args:?}");
            }
            for listen in anywhere {
                assert_eq!(args.decide(listen).ok(), elsewhere, "{listen} {args:?}");
            }
        }
    }

    #[test]
    fn there_is_one_token_or_none() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer_token(&headers).map(str::to_owned)
        };
        assert_eq!(of(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(of(&["bearer  abc"]).as_deref(), Some("abc"));
        for none in [&[][..], &["abc"], &["Basic abc"], &["Bearer"], &["Bearer a", "Bearer a"]] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}
