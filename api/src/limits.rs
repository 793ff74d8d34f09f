//! What one client may ask for, so that it leaves room for the others.

use std::{
    future::{Ready, ready},
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{Method, StatusCode},
    middleware::Next,
    web::Data,
};
use chrono::TimeDelta;
use clap::builder::RangedU64ValueParser;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use service::api_keys::Caller;

use crate::problem::Problem;

/// The limits, each with a default that suits a small machine.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Bytes of a request's body; beyond, the answer is 413
    #[arg(long, env = "MARKETSVC_MAX_BODY_BYTES", value_name = "N", default_value_t = 256 * 1024)]
    pub max_body_bytes: usize,
    /// Seconds for the head of a request to arrive; then the connection is closed with 408
    #[arg(
        long,
        env = "MARKETSVC_HEADER_TIMEOUT",
        value_name = "SECONDS",
        default_value = "10",
        value_parser = seconds
    )]
    pub header_timeout: Duration,
    /// Seconds for the body of a request to arrive; then the answer is 408
    #[arg(
        long,
        env = "MARKETSVC_BODY_TIMEOUT",
        value_name = "SECONDS",
        default_value = "30",
        value_parser = seconds
    )]
    pub body_timeout: Duration,
    /// Seconds until an answer must begin; then it is 503
    #[arg(
        long,
        env = "MARKETSVC_REQUEST_TIMEOUT",
        value_name = "SECONDS",
        default_value = "60",
        value_parser = seconds
    )]
    pub request_timeout: Duration,
    /// Requests whose answer has not begun; for more it is 503 at once
    #[arg(
        long,
        env = "MARKETSVC_MAX_CONCURRENT_REQUESTS",
        value_name = "N",
        default_value_t = 1024
    )]
    pub max_concurrent_requests: usize,
    /// Requests per second from one address, with bursts of two seconds' worth; for more the answer is 429. 0 is no limit
    #[arg(long, env = "MARKETSVC_RATE_PER_ADDRESS", value_name = "N", default_value_t = 0)]
    pub rate_per_address: u32,
    /// Requests per second with one API key, likewise
    #[arg(long, env = "MARKETSVC_RATE_PER_KEY", value_name = "N", default_value_t = 1000)]
    pub rate_per_key: u32,
    /// Rows of a page
    #[arg(
        long,
        env = "MARKETSVC_MAX_PAGE_SIZE",
        value_name = "N",
        default_value_t = service::list::MAX_LIMIT,
        value_parser = clap::value_parser!(u64).range(1..=service::list::MAX_LIMIT)
    )]
    pub max_page_size: u64,
    /// Orders that one request may ask the totals of
    #[arg(
        long,
        env = "MARKETSVC_MAX_IDS",
        value_name = "N",
        default_value_t = service::orders::MAX_TOTALS,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000)
    )]
    pub max_ids: usize,
    /// Rows of a streamed list; a longer one is cut off
    #[arg(long, env = "MARKETSVC_MAX_STREAM_ROWS", value_name = "N", default_value_t = 10_000_000)]
    pub max_stream_rows: usize,
    /// Seconds for which an Idempotency-Key is remembered
    #[arg(
        long,
        env = "MARKETSVC_IDEMPOTENCY_TTL",
        value_name = "SECONDS",
        default_value_t = 24 * 60 * 60,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    idempotency_ttl: u32,
}

impl Limits {
    /// How long an `Idempotency-Key` is remembered.
    #[must_use]
    pub fn key_time_to_live(&self) -> TimeDelta {
        TimeDelta::seconds(self.idempotency_ttl.into())
    }

    /// Those of the server that the request came to.
    pub fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let limits = request.app_data::<Data<Self>>().map(|limits| *limits.as_ref());
        limits.ok_or_else(|| Problem::internal("the server has no limits"))
    }
}

impl FromRequest for Limits {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// A whole number of seconds, at least one.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("is a whole number of seconds from 1 to 86400".to_owned()),
    }
}

/// Counts what is limited, for all workers together.
pub struct Gate {
    in_flight: Arc<AtomicUsize>,
    streams: Arc<AtomicUsize>,
    addresses: Option<DefaultKeyedRateLimiter<IpAddr>>,
    keys: Option<DefaultKeyedRateLimiter<String>>,
}

impl Gate {
    /// Of a server with these limits.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            in_flight: Arc::default(),
            streams: Arc::default(),
            addresses: quota(limits.rate_per_address).map(RateLimiter::keyed),
            keys: quota(limits.rate_per_key).map(RateLimiter::keyed),
        }
    }

    /// That of the server that the request came to.
    pub fn of(request: &HttpRequest) -> Result<Data<Self>, Problem> {
        let gate = request.app_data::<Data<Self>>().cloned();
        gate.ok_or_else(|| Problem::internal("the server has no gate"))
    }

    /// How many requests wait for their answer to begin.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// Whether any request is not answered to its end.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.in_flight() > 0 || self.streams.load(Relaxed) > 0
    }

    /// Counts a stream that is being sent, as long as what is returned lives.
    #[must_use]
    pub fn stream(&self) -> Inside {
        Inside::enter(&self.streams).0
    }

    /// Forgets clients who have not come for a while.
    pub fn forget_idle(&self) {
        if let Some(addresses) = &self.addresses {
            addresses.retain_recent();
        }
        if let Some(keys) = &self.keys {
            keys.retain_recent();
        }
    }

    fn enter(&self, most: usize) -> Result<Inside, Problem> {
        let (inside, before) = Inside::enter(&self.in_flight);
        if before >= most {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests at the same time; try again",
            ));
        }
        Ok(inside)
    }

    fn check_address(&self, request: &ServiceRequest) -> Result<(), Problem> {
        match (&self.addresses, request.peer_addr()) {
            (Some(addresses), Some(peer)) => slow_down(addresses.check_key(&peer.ip()).is_err()),
            _ => Ok(()),
        }
    }

    fn check_key(&self, request: &ServiceRequest) -> Result<(), Problem> {
        match (&self.keys, request.extensions().get::<Caller>()) {
            (Some(keys), Some(caller)) => slow_down(keys.check_key(&caller.id).is_err()),
            _ => Ok(()),
        }
    }
}

fn quota(per_second: u32) -> Option<Quota> {
    let rate = NonZeroU32::new(per_second)?;
    Some(
        Quota::per_second(rate).allow_burst(rate.saturating_mul(NonZeroU32::MIN.saturating_add(1))),
    )
}

fn slow_down(is_too_fast: bool) -> Result<(), Problem> {
    if is_too_fast {
        return Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many requests in a short time; slow down",
        ));
    }
    Ok(())
}

/// Counts a request as long as it lives.
pub struct Inside(Arc<AtomicUsize>);

impl Inside {
    /// Counts one more, and tells how many there were.
    fn enter(count: &Arc<AtomicUsize>) -> (Self, usize) {
        let before = count.fetch_add(1, Relaxed);
        (Self(Arc::clone(count)), before)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Middleware, before anything is known of the caller: refuses what is too much.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // Probes are answered however busy the service is.
    if is_probe(request.path()) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    match admit(&request) {
        Ok(_inside) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(problem) => Ok(request.error_response(problem)),
    }
}

fn admit(request: &ServiceRequest) -> Result<Inside, Problem> {
    let gate = gate(request)?;
    gate.check_address(request)?;
    gate.enter(Limits::of(request.request())?.max_concurrent_requests)
}

/// Middleware, once the caller is known.
pub async fn guard_key(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match gate(&request).and_then(|gate| gate.check_key(&request)) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(problem) => Ok(request.error_response(problem)),
    }
}

/// Middleware of each route: its answer must begin in time.
pub async fn in_time(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let limit = Limits::of(request.request())?.request_timeout;
    // It may be kept from here on: the route is found, which needs it to be the only one.
    let asked = request.request().clone();
    // What writes goes on: a transaction has a task of its own.
    let answer = tokio::time::timeout(limit, next.call(request)).await;
    let Ok(answer) = answer else {
        return Ok(ServiceResponse::from_err(too_late(asked.method()), asked));
    };
    Ok(answer?.map_into_boxed_body())
}

/// 503: nobody waits for the answer any longer.
#[must_use]
pub fn too_late(method: &Method) -> Problem {
    let detail = if method.is_safe() {
        "the answer took too long; try again"
    } else {
        "the answer took too long, and may have been carried out all the same; try again with the same \
         Idempotency-Key"
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

fn gate(request: &ServiceRequest) -> Result<Data<Gate>, Problem> {
    Gate::of(request.request())
}

/// What a supervisor asks to learn how the service is.
fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/metrics")
}
