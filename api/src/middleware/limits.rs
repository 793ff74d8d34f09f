//! Limits for clients: requests at the same time, requests per second, time until the answer begins.
//!
//! A request passes [`limit_requests`], then authentication, then [`limit_client`]. The first gives it a place among the
//! requests at the same time, and knows only its address and the API key that it names; the second knows the client.

use std::{num::NonZeroU32, sync::Arc};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header::AUTHORIZATION},
    middleware::Next,
    web::Data,
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use service::api_keys::Caller;

use super::{
    budgets::{Budgets, Client, ClientId, Permit, Resource},
    client_address::{AddressGroup, TrustedProxies},
    refusals::Refusals,
    shedding::Shed,
};
use crate::{
    respond::{held_body::held_body, problem::Problem, shed::Reason},
    server::{connections::Connection, limits::Limits},
};

/// Memory of a body that has not arrived, besides its bytes: buffers of its connection, and the request itself. Where there
/// are few connections it counts as more, so that the share of a client is also one of the connections.
const BODY_OVERHEAD: usize = 4096;

/// Counters of what is limited, shared by all workers.
pub struct RequestLimiter {
    budgets: Arc<Budgets>,
    /// Bytes that a body counts, besides its own, while it arrives.
    pub body_overhead: usize,
    addresses: Option<DefaultKeyedRateLimiter<AddressGroup>>,
    refusals: Option<Refusals>,
    api_keys: Option<DefaultKeyedRateLimiter<ClientId>>,
    /// Requests that were refused.
    pub shed: Shed,
}

impl RequestLimiter {
    /// Creates the limiter of a server with these limits and this number of connections.
    #[must_use]
    pub fn new(limits: &Limits, max_connections: usize) -> Self {
        Self {
            budgets: Arc::new(Budgets::new(limits)),
            body_overhead: (limits.max_pending_body_bytes / max_connections).max(BODY_OVERHEAD),
            addresses: quota(limits.rate_per_address).map(RateLimiter::keyed),
            refusals: quota(limits.rate_of_refusals).map(Refusals::new),
            api_keys: quota(limits.rate_per_key).map(RateLimiter::keyed),
            shed: Shed::default(),
        }
    }

    /// Returns the limiter of the server that received the request.
    pub fn of(request: &HttpRequest) -> Result<&Data<Self>, Problem> {
        let limiter = request.app_data::<Data<Self>>();
        limiter.ok_or_else(|| Problem::internal("the server has no request limiter"))
    }

    /// Returns the amount of a resource that requests hold.
    #[must_use]
    pub fn in_use(&self, resource: Resource) -> usize {
        self.budgets.in_use(resource)
    }

    /// Returns whether a request is not answered completely.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        Resource::ALL.iter().any(|(resource, _)| self.in_use(*resource) > 0)
    }

    /// Removes clients that have sent no request for a while.
    pub fn purge_idle(&self) {
        self.budgets.purge();
        if let Some(addresses) = &self.addresses {
            addresses.retain_recent();
        }
        if let Some(refusals) = &self.refusals {
            refusals.purge();
        }
        if let Some(api_keys) = &self.api_keys {
            api_keys.retain_recent();
        }
    }

    /// Checks the rate of requests with the caller's API key.
    pub fn check_api_key(&self, caller: &Caller) -> Result<(), Problem> {
        match (&self.api_keys, ClientId::of_api_key(&caller.id)) {
            (Some(api_keys), Some(id)) if api_keys.check_key(&id).is_err() => {
                Err(Reason::RatePerKey.into())
            }
            _ => Ok(()),
        }
    }

    /// Admits a request from this address.
    fn admit(
        &self,
        request: &HttpRequest,
        address: Option<AddressGroup>,
    ) -> Result<Admission, Reason> {
        if let (Some(addresses), Some(address)) = (&self.addresses, &address)
            && addresses.check_key(address).is_err()
        {
            return Err(Reason::RatePerAddress);
        }
        if let (Some(refusals), Some(address)) = (&self.refusals, address)
            && refusals.is_blocked(address)
            && !claimed_api_key(request).is_some_and(|id| self.budgets.knows(ClientId::ApiKey(id)))
        {
            return Err(Reason::RateOfRefusals);
        }
        let mut place = self.budgets.acquire(Resource::Requests, 1)?;
        let client = self.budgets.unauthenticated_client(address, claimed_api_key(request));
        place.assign(Arc::clone(&client))?;
        Ok(Admission { place: Some(place), client })
    }

    /// Counts an answer 401 or 403, and returns whether it is above the rate.
    fn is_above_rate_of_refusals(&self, status: StatusCode, address: Option<AddressGroup>) -> bool {
        let is_refusal = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let (true, Some(refusals), Some(address)) = (is_refusal, &self.refusals, address) else {
            return false;
        };
        refusals.count(address)
    }
}

/// Returns the id of the API key that the request names, which may be wrong.
fn claimed_api_key(request: &HttpRequest) -> Option<[u8; 8]> {
    let token = request.headers().get(AUTHORIZATION)?.as_bytes();
    let (_, token) = token.split_at_checked("Bearer mk_".len())?;
    token.first_chunk().copied()
}

/// Quota with bursts of two seconds' worth.
fn quota(per_second: u32) -> Option<Quota> {
    let rate = NonZeroU32::new(per_second)?;
    let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
    Some(Quota::per_second(rate).allow_burst(burst))
}

/// Part of the budgets that an admitted request holds, in its extensions.
struct Admission {
    /// Place among the requests at the same time; none while its body arrives.
    place: Option<Permit>,
    client: Arc<Client>,
}

/// Middleware: limits the requests of an address and the requests at the same time, before authentication.
pub async fn limit_requests(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // Probes are answered however busy the service is.
    if is_probe(request.path()) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let connection = request.conn_data::<Arc<Connection>>();
    if connection.is_some_and(|connection| connection.is_surplus()) {
        return Ok(request.error_response(Problem::from(Reason::Connections)));
    }
    let limiter = RequestLimiter::of(request.request())?.clone();
    let address = TrustedProxies::client_of(request.request()).map(AddressGroup::from);
    match limiter.admit(request.request(), address) {
        Ok(admission) => request.extensions_mut().insert(admission),
        Err(reason) => return Ok(request.error_response(Problem::from(reason))),
    };
    let response = hold_long_answer(next.call(request).await?);
    response.request().extensions_mut().remove::<Admission>();
    if limiter.is_above_rate_of_refusals(response.status(), address) {
        let problem = Problem::from(Reason::RateOfRefusals);
        return Ok(response.error_response(problem));
    }
    Ok(response)
}

/// Size above which an answer is part of a budget. Shorter ones are in the buffer of their connection at once.
const LONG_ANSWER: u64 = 64 * 1024;

/// Counts the bytes of a long answer until it has been sent: the client may read it slowly. Streams, which have no size,
/// have a budget of their own.
fn hold_long_answer(
    response: ServiceResponse<impl MessageBody + 'static>,
) -> ServiceResponse<BoxBody> {
    let BodySize::Sized(size @ LONG_ANSWER..) = response.response().body().size() else {
        return response.map_into_boxed_body();
    };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    match acquire(response.request(), Resource::AnswerBytes, size) {
        Ok(permit) => response.map_body(|_, body| held_body(body.boxed(), permit)),
        Err(problem) => response.error_response(problem),
    }
}

/// Returns whether a supervisor asks for the state of the service.
fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/metrics")
}

/// Middleware: limits the requests of a client at the same time, after authentication.
pub async fn limit_client(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match identify(request.request()) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(problem) => Ok(request.error_response(problem)),
    }
}

/// Counts the request as that of its API key; one without counts as its address's.
fn identify(request: &HttpRequest) -> Result<(), Problem> {
    let limiter = RequestLimiter::of(request)?;
    let mut extensions = request.extensions_mut();
    let api_key = extensions.get::<Caller>().and_then(|caller| ClientId::of_api_key(&caller.id));
    // A probe has no admission.
    let (Some(id), Some(admission)) = (api_key, extensions.get_mut::<Admission>()) else {
        return Ok(());
    };
    admission.client = limiter.budgets.client(id);
    if let Some(place) = &mut admission.place {
        place.assign(Arc::clone(&admission.client))?;
    }
    Ok(())
}

/// Takes an amount of a resource for the client of the request, until the permit is dropped.
///
/// # Errors
/// If the budget or the client's share is used up.
pub fn acquire(
    request: &HttpRequest,
    resource: Resource,
    amount: usize,
) -> Result<Permit, Problem> {
    let mut permit = RequestLimiter::of(request)?.budgets.acquire(resource, amount)?;
    let extensions = request.extensions();
    if let Some(admission) = extensions.get::<Admission>() {
        permit.assign(Arc::clone(&admission.client))?;
    }
    Ok(permit)
}

/// Gives the place of a request back while it waits for its client.
pub fn leave(request: &HttpRequest) {
    if let Some(admission) = request.extensions_mut().get_mut::<Admission>() {
        admission.place = None;
    }
}

/// Takes a place for a request that gave its own back.
///
/// # Errors
/// If there is none left.
pub fn enter(request: &HttpRequest) -> Result<(), Problem> {
    let place = acquire(request, Resource::Requests, 1)?;
    if let Some(admission) = request.extensions_mut().get_mut::<Admission>() {
        admission.place = Some(place);
    }
    Ok(())
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
