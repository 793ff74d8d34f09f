//! State of a server that its workers and background tasks share.

use std::sync::Arc;

use actix_web::web::Data;
use service::{Database, api_keys::KeyUsage, secrets::Secret};

use super::{connections::Connections, limits::Limits, metrics::Metrics, readiness::Readiness};
use crate::middleware::{
    authentication::Authentication, client_address::TrustedProxies, host::AllowedHosts,
    limits::RequestLimiter,
};

/// State that all workers and background tasks share.
#[derive(Clone)]
pub struct State {
    /// Connections to the database.
    pub db: Database,
    /// Limits for requests.
    pub limits: Limits,
    /// Counters of what is limited.
    pub limiter: Data<RequestLimiter>,
    /// Connections of clients.
    pub connections: Arc<Connections>,
    /// Finding of the last probe of the database, and whether the server is about to stop.
    pub readiness: Data<Readiness>,
    /// Uses of API keys that are not written yet.
    pub key_usage: Data<KeyUsage>,
    /// Metrics of requests.
    pub metrics: Data<Metrics>,
    /// Authentication of requests.
    pub authentication: Authentication,
    /// Names that clients may use for the server while authentication is off.
    pub allowed_hosts: Data<AllowedHosts>,
    /// Secret that signs cursors.
    pub cursor_secret: Data<Secret>,
    /// Proxies that may name the client of a request.
    pub proxies: Data<TrustedProxies>,
    /// Scheme of the URLs: `http` or `https`.
    pub scheme: &'static str,
}

impl State {
    /// Returns whether a request, its answer, or a task of the database is not finished.
    pub fn is_busy(&self) -> bool {
        self.limiter.is_busy() || self.connections.is_busy() || self.db.stats().is_busy()
    }
}
