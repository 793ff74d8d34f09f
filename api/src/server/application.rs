//! HTTP server: built, bound to its address, then run until a signal stops it.

use std::{net::SocketAddr, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::Server,
    http::KeepAlive,
    middleware::from_fn,
    rt::{task::JoinHandle, time::sleep},
    web::Data,
};
use anyhow::{Context, Result};
use chrono::TimeDelta;
use rustls::ServerConfig;
use service::{Database, api_keys::KeyUsage, idempotency, secrets::Secret};

use super::{
    clock,
    drain::{self, Draining, Signals},
    limits::Limits,
    metrics::Metrics,
    readiness::{self, Readiness},
};
use crate::{
    extract,
    middleware::{
        authentication::{self, Authentication},
        client_address::TrustedProxies,
        framework::{access_log, security_headers},
        host::{self, AllowedHosts},
        limits::{RequestLimiter, limit_client, limit_requests},
        metrics::measure,
        request_id,
    },
    routes,
};

/// Interval at which uses of API keys are written, each key far less often.
const USAGE_INTERVAL: Duration = Duration::from_secs(5);

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
    /// Names that clients may use for the server while authentication is off.
    pub allowed_hosts: AllowedHosts,
    /// Secret that signs cursors.
    pub cursor_secret: Secret,
    /// Limits for requests.
    pub limits: Limits,
    /// Proxies that may name the client of a request.
    pub proxies: TrustedProxies,
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
    drain: drain::Settings,
    draining: Data<Draining>,
    readiness: Data<Readiness>,
    key_usage: Data<KeyUsage>,
}

impl Application {
    /// Builds a server and binds it to its address.
    pub fn build(db: Database, settings: Settings) -> Result<Self> {
        let Settings { listen, workers, tls, authentication, limits, proxies, drain, .. } =
            settings;
        let (allowed_hosts, cursor_secret) =
            (Data::new(settings.allowed_hosts), Data::new(settings.cursor_secret));
        let key_usage = Data::new(KeyUsage::default());
        let recorded = key_usage.clone();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let limiter = Data::new(RequestLimiter::new(&limits));
        let draining = Data::new(Draining::default());
        let readiness = Data::new(Readiness::default());
        let metrics = Data::new(Metrics::new()?);
        let proxies = Data::new(proxies);
        let shared = (Data::new(db.clone()), limiter.clone(), draining.clone(), readiness.clone());
        let server = HttpServer::new(move || {
            let (db, limiter, draining, readiness) = shared.clone();
            App::new()
                .app_data(readiness)
                .app_data(db)
                .app_data(limiter)
                .app_data(draining)
                .app_data(metrics.clone())
                .app_data(Data::new(limits))
                .app_data(proxies.clone())
                .app_data(authentication)
                .app_data(allowed_hosts.clone())
                .app_data(cursor_secret.clone())
                .app_data(recorded.clone())
                // Each middleware wraps those before it.
                .wrap(from_fn(limit_client))
                .wrap(from_fn(authentication::authenticate))
                .wrap(from_fn(limit_requests))
                .wrap(from_fn(host::check))
                .wrap(from_fn(request_id::answer_problems))
                .wrap(from_fn(measure))
                .wrap(security_headers(scheme))
                .wrap(access_log())
                .configure(extract::configure)
                .configure(routes::configure)
        })
        .workers(workers)
        .keep_alive(KeepAlive::Timeout(Duration::from_mins(1)))
        .client_request_timeout(limits.header_timeout)
        // A request ends when its client has closed the connection, also if only its sending half.
        .h1_allow_half_closed(false)
        .disable_signals()
        .shutdown_timeout(CLOSE_TIMEOUT.as_secs());
        let server = match tls {
            Some(tls) => server.bind_rustls_0_23(&listen, tls),
            None => server.bind(&listen),
        };
        let server = server.with_context(|| format!("cannot listen at {listen}"))?;
        let addresses = server.addrs();
        Ok(Self {
            server: server.run(),
            addresses,
            scheme,
            db,
            limits,
            limiter,
            drain,
            draining,
            readiness,
            key_usage,
        })
    }

    /// Serves until SIGTERM or SIGINT, then lets running requests finish.
    pub async fn run(self) -> Result<()> {
        let signals = Signals::catch().context("cannot wait for signals")?;
        self.readiness.probe(&self.db).await;
        for address in &self.addresses {
            log::info!("listening at {}://{address}", self.scheme);
        }
        let tasks = [
            actix_web::rt::spawn(readiness::watch(self.readiness, self.db.clone())),
            actix_web::rt::spawn(purge_keys(self.db.clone(), self.limits.key_time_to_live())),
            actix_web::rt::spawn(purge_clients(self.limiter.clone())),
            actix_web::rt::spawn(log_shed(self.limiter.clone())),
            actix_web::rt::spawn(record_usage(self.db.clone(), self.key_usage)),
        ];
        let handle = self.server.handle();
        let (db, limiter) = (self.db.clone(), self.limiter.clone());
        let is_busy = move || limiter.is_busy() || db.stats().is_busy();
        tokio::select! {
            stopped = self.server => stopped?,
            () = drain::on_signal(signals, handle, self.draining, self.drain, is_busy) => {}
        }
        tasks.iter().for_each(JoinHandle::abort);
        match tokio::time::timeout(CLOSE_TIMEOUT, self.db.close()).await {
            Ok(closed) => closed?,
            Err(_) => log::warn!("connections to the database did not close in time"),
        }
        self.limiter.shed.log_summary();
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

/// Logs how many requests are refused because of limits until the task is aborted.
async fn log_shed(limiter: Data<RequestLimiter>) {
    limiter.shed.log().await;
}

/// Writes the times at which API keys were used until the task is aborted. A failure is retried with the next uses.
async fn record_usage(db: Database, usage: Data<KeyUsage>) {
    loop {
        sleep(USAGE_INTERVAL).await;
        if let Err(error) = usage.write(&db).await {
            log::debug!("cannot record the use of API keys: {error}");
        }
    }
}
