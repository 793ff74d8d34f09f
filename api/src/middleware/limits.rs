//! Limits for clients: requests in flight, requests per second, time until the answer begins.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use actix_web::{
    Error, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode},
    middleware::Next,
    web::Data,
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use service::api_keys::Caller;

use crate::{
    respond::problem::Problem,
    server::{connections::Connection, limits::Limits},
};

/// Counters of what is limited, shared by all workers.
pub struct RequestLimiter {
    in_flight: Arc<AtomicUsize>,
    streams: Arc<AtomicUsize>,
    addresses: Option<DefaultKeyedRateLimiter<IpAddr>>,
    api_keys: Option<DefaultKeyedRateLimiter<String>>,
}

impl RequestLimiter {
    /// Creates the limiter of a server with these limits.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            in_flight: Arc::default(),
            streams: Arc::default(),
            addresses: quota(limits.rate_per_address).map(RateLimiter::keyed),
            api_keys: quota(limits.rate_per_key).map(RateLimiter::keyed),
        }
    }

    /// Returns the limiter of the server that received the request.
    pub fn of(request: &HttpRequest) -> Result<Data<Self>, Problem> {
        let limiter = request.app_data::<Data<Self>>().cloned();
        limiter.ok_or_else(|| Problem::internal("the server has no request limiter"))
    }

    /// Returns the number of requests whose answer has not begun.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// Returns whether a request is not answered completely.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.in_flight() > 0 || self.streams.load(Relaxed) > 0
    }

    /// Counts a stream that is being sent until the guard is dropped.
    #[must_use]
    pub fn track_stream(&self) -> InFlightGuard {
        InFlightGuard::count(&self.streams).0
    }

    /// Removes clients that have sent no request for a while.
    pub fn purge_idle(&self) {
        if let Some(addresses) = &self.addresses {
            addresses.retain_recent();
        }
        if let Some(api_keys) = &self.api_keys {
            api_keys.retain_recent();
        }
    }

    /// Checks the rate of requests with the caller's API key.
    pub fn check_api_key(&self, caller: &Caller) -> Result<(), Problem> {
        match &self.api_keys {
            Some(api_keys) if api_keys.check_key(&caller.id).is_err() => Err(rate_limited()),
            _ => Ok(()),
        }
    }

    fn check_address(&self, request: &ServiceRequest) -> Result<(), Problem> {
        match (&self.addresses, request.peer_addr()) {
            (Some(addresses), Some(peer)) if addresses.check_key(&peer.ip()).is_err() => {
                Err(rate_limited())
            }
            _ => Ok(()),
        }
    }

    /// Counts a request until the guard is dropped, unless `max` requests are in flight.
    fn acquire(&self, max: usize) -> Result<InFlightGuard, Problem> {
        let (guard, before) = InFlightGuard::count(&self.in_flight);
        if before >= max {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests at the same time; try again",
            ));
        }
        Ok(guard)
    }
}

/// Quota with bursts of two seconds' worth.
fn quota(per_second: u32) -> Option<Quota> {
    let rate = NonZeroU32::new(per_second)?;
    let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
    Some(Quota::per_second(rate).allow_burst(burst))
}

fn rate_limited() -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too many requests in a short time; send fewer requests per second",
    )
}

/// Guard of a request or stream that is counted until it is dropped.
pub struct InFlightGuard(Arc<AtomicUsize>);

impl InFlightGuard {
    /// Counts one more, and returns the number before.
    fn count(counter: &Arc<AtomicUsize>) -> (Self, usize) {
        let before = counter.fetch_add(1, Relaxed);
        (Self(Arc::clone(counter)), before)
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Middleware: limits the requests of an address and the requests in flight, before authentication.
pub async fn limit_requests(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // Probes are answered however busy the service is.
    if is_probe(request.path()) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    match admit(&request) {
        Ok(_guard) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(problem) => Ok(request.error_response(problem)),
    }
}

fn admit(request: &ServiceRequest) -> Result<InFlightGuard, Problem> {
    let connection = request.conn_data::<Arc<Connection>>();
    if connection.is_some_and(|connection| connection.is_surplus()) {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many connections at the same time; try again",
        ));
    }
    let limiter = RequestLimiter::of(request.request())?;
    limiter.check_address(request)?;
    limiter.acquire(Limits::of(request.request())?.max_concurrent_requests)
}

/// Returns whether a supervisor asks for the state of the service.
fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/metrics")
}

/// Middleware of each route: the answer must begin before the request timeout.
pub async fn request_timeout(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let limit = Limits::of(request.request())?.request_timeout;
    // A second handle may exist from here on: the router, which needs the only one, is done.
    let head = request.request().clone();
    // A transaction goes on after the timeout: it runs in a task of its own.
    let answer = tokio::time::timeout(limit, next.call(request)).await;
    let Ok(answer) = answer else {
        return Ok(ServiceResponse::from_err(timed_out(head.method()), head));
    };
    Ok(answer?.map_into_boxed_body())
}

/// Returns the problem for an answer that did not begin in time: 503.
#[must_use]
pub fn timed_out(method: &Method) -> Problem {
    let detail = if method.is_safe() {
        "the answer took too long; try again"
    } else {
        "the answer took too long, and the request may have been carried out; try again with the same \
         Idempotency-Key"
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}
