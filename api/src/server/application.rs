//! HTTP server: built, bound to its address, then run until a signal stops it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{
    App,
    dev::Server,
    middleware::from_fn,
    rt::{task::JoinHandle, time::sleep},
    web::Data,
};
use anyhow::{Context, Result};
use chrono::TimeDelta;
use rustls::ServerConfig;
use service::{Database, idempotency};

use super::{
    clock,
    connections::{self, ConnectionLimits, ConnectionMetrics, Connections, Tls},
    drain::{self, Draining, Signals},
    limits::Limits,
    metrics::Metrics,
};
use crate::{
    extract,
    middleware::{
        authentication::{self, Authentication},
        framework::{access_log, security_headers},
        limits::{RequestLimiter, limit_requests},
        metrics::measure,
        request_id,
    },
    routes,
};

/// Time limit for closing connections at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of a server.
pub struct Settings {
    /// Address and port to listen at.
    pub listen: String,
    /// Number of worker threads.
    pub workers: usize,
    /// Certificate and private key; `None` for plain HTTP.
    pub tls: Option<ServerConfig>,
    /// Authentication of requests.
    pub authentication: Authentication,
    /// Limits for requests.
    pub limits: Limits,
    /// Limits for connections.
    pub connections: ConnectionLimits,
    /// Settings of the shutdown.
    pub drain: drain::Settings,
}

/// Server that is bound to its address.
pub struct Application {
    server: Server,
    addresses: Vec<SocketAddr>,
    scheme: &'static str,
    db: Database,
    limits: Limits,
    limiter: Data<RequestLimiter>,
    connections: Arc<Connections>,
    drain: drain::Settings,
    draining: Data<Draining>,
}

impl Application {
    /// Builds a server and binds it to its address.
    pub fn build(db: Database, settings: Settings) -> Result<Self> {
        let Settings { listen, workers, tls, authentication, limits, connections, drain } =
            settings;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let limiter = Data::new(RequestLimiter::new(&limits));
        let draining = Data::new(Draining::default());
        let metrics = Data::new(Metrics::new()?);
        let connection_metrics = ConnectionMetrics::new()?;
        metrics.register(connection_metrics.clone())?;
        let shared = (Data::new(db.clone()), limiter.clone(), draining.clone());
        let app = move || {
            let (db, limiter, draining) = shared.clone();
            App::new()
                .app_data(db)
                .app_data(limiter)
                .app_data(draining)
                .app_data(metrics.clone())
                .app_data(Data::new(limits))
                .app_data(authentication)
                // Each middleware wraps those before it.
                .wrap(from_fn(authentication::authenticate))
                .wrap(from_fn(limit_requests))
                .wrap(from_fn(request_id::answer_problems))
                .wrap(from_fn(measure))
                .wrap(security_headers(scheme))
                .wrap(access_log())
                .configure(|config| extract::configure(config, limits.max_body_bytes))
                .configure(routes::configure)
        };
        let tls = tls.map(|config| Tls::new(config, connections.handshake_rate));
        let per_worker = connections.per_worker(workers);
        let connections = Connections::new(connections, connection_metrics);
        let mut server = Server::build()
            .workers(workers)
            .max_concurrent_connections(per_worker)
            .disable_signals()
            .shutdown_timeout(CLOSE_TIMEOUT.as_secs());
        let sockets = connections::bind(&listen);
        let mut addresses = Vec::new();
        for socket in sockets.with_context(|| format!("cannot listen at {listen}"))? {
            addresses.push(socket.local_addr()?);
            server = connections::listen(server, socket, &connections, tls.as_ref(), app.clone())?;
        }
        let server = server.run();
        Ok(Self { server, addresses, scheme, db, limits, limiter, connections, drain, draining })
    }

    /// Serves until SIGTERM or SIGINT, then lets running requests finish.
    pub async fn run(self) -> Result<()> {
        let signals = Signals::catch().context("cannot wait for signals")?;
        for address in &self.addresses {
            log::info!("listening at {}://{address}", self.scheme);
        }
        let tasks = [
            actix_web::rt::spawn(self.db.clone().maintain()),
            actix_web::rt::spawn(purge_keys(self.db.clone(), self.limits.key_time_to_live())),
            actix_web::rt::spawn(purge_clients(self.limiter.clone())),
            actix_web::rt::spawn(Arc::clone(&self.connections).watch()),
        ];
        let handle = self.server.handle();
        let (db, limiter) = (self.db.clone(), self.limiter.clone());
        let is_busy = move || limiter.is_busy() || db.stats().is_busy();
        let connections = Arc::clone(&self.connections);
        let close = move || connections.stop();
        tokio::select! {
            stopped = self.server => stopped?,
            () = drain::on_signal(signals, handle, self.draining, self.drain, is_busy, close) => {}
        }
        tasks.iter().for_each(JoinHandle::abort);
        match tokio::time::timeout(CLOSE_TIMEOUT, self.db.close()).await {
            Ok(closed) => closed?,
            Err(_) => log::warn!("connections to the database did not close in time"),
        }
        log::info!("stopped");
        Ok(())
    }
}

/// Deletes expired idempotency keys until the task is aborted.
async fn purge_keys(db: Database, time_to_live: TimeDelta) {
    let interval = time_to_live.to_std().unwrap_or_default();
    let interval = interval.clamp(Duration::from_secs(1), Duration::from_mins(10));
    loop {
        sleep(interval).await;
        match idempotency::purge_expired(&db, clock::now()).await {
            Ok(purged) => log::debug!("deleted {purged} expired idempotency keys"),
            Err(error) => log::warn!("cannot delete expired idempotency keys: {error}"),
        }
    }
}

/// Removes idle clients from the rate limits until the task is aborted.
async fn purge_clients(limiter: Data<RequestLimiter>) {
    loop {
        sleep(Duration::from_mins(1)).await;
        limiter.purge_idle();
    }
}
