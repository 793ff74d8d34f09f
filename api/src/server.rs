//! The HTTP server: built, bound, then run; the program and whoever embeds it start it the same way.

use std::{net::SocketAddr, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::Server,
    error::PathError,
    http::KeepAlive,
    middleware::{self, Condition, DefaultHeaders},
    rt::{task::JoinHandle, time::sleep},
    web::{Data, PathConfig, PayloadConfig},
};
use anyhow::{Context, Result};
use chrono::TimeDelta;
use rustls::ServerConfig;
use service::{Database, idempotency};

use crate::{
    auth::{self, Authentication},
    clock,
    drain::{self, Draining, Signals},
    limits::{self, Gate, Limits},
    metrics::{self, Metrics},
    problem::{self, Problem},
    routes,
};

/// What the log calls its lines about requests.
const ACCESS_LOG: &str = "access";

/// How long connections may take to close, once nobody needs them.
const CLOSING: Duration = Duration::from_secs(5);

/// How a server listens, and what it allows.
pub struct Settings {
    /// Address and port.
    pub listen: String,
    /// Threads that answer requests.
    pub workers: usize,
    /// Certificate and key, where connections are encrypted.
    pub tls: Option<ServerConfig>,
    /// Whether requests need a key.
    pub authentication: Authentication,
    /// What clients may ask for.
    pub limits: Limits,
    /// How it stops.
    pub drain: drain::Settings,
}

/// A server that has its address and waits to run.
pub struct Application {
    server: Server,
    addresses: Vec<SocketAddr>,
    scheme: &'static str,
    db: Database,
    limits: Limits,
    gate: Data<Gate>,
    drain: drain::Settings,
    draining: Data<Draining>,
}

impl Application {
    /// Binds to an address.
    pub fn build(db: Database, settings: Settings) -> Result<Self> {
        let Settings { listen, workers, tls, authentication, limits, drain } = settings;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let gate = Data::new(Gate::new(&limits));
        let draining = Data::new(Draining::default());
        let metrics = Data::new(Metrics::new()?);
        let shared = (Data::new(db.clone()), gate.clone(), draining.clone());
        let server = HttpServer::new(move || {
            let (db, gate, draining) = shared.clone();
            App::new()
                .app_data(db)
                .app_data(gate)
                .app_data(draining)
                .app_data(metrics.clone())
                .app_data(Data::new(limits))
                .app_data(authentication)
                .app_data(PathConfig::default().error_handler(|error, _| refuse_path(&error)))
                .app_data(PayloadConfig::new(limits.max_body_bytes))
                // Each wraps those before it.
                .wrap(middleware::from_fn(limits::guard_key))
                .wrap(middleware::from_fn(auth::authorise))
                .wrap(middleware::from_fn(limits::guard))
                .wrap(middleware::from_fn(problem::answer))
                .wrap(middleware::from_fn(metrics::measure))
                .wrap(security_headers(scheme))
                .wrap(Condition::new(
                    log::log_enabled!(target: ACCESS_LOG, log::Level::Info),
                    access_log(),
                ))
                .configure(routes::configure)
        })
        .workers(workers)
        .keep_alive(KeepAlive::Timeout(Duration::from_mins(1)))
        .client_request_timeout(limits.header_timeout)
        .disable_signals()
        .shutdown_timeout(CLOSING.as_secs());
        let server = match tls {
            Some(tls) => server.bind_rustls_0_23(&listen, tls),
            None => server.bind(&listen),
        };
        let server = server.with_context(|| format!("cannot listen at {listen}"))?;
        let addresses = server.addrs();
        Ok(Self { server: server.run(), addresses, scheme, db, limits, gate, drain, draining })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until a signal says stop, then lets running requests end.
    pub async fn run(self) -> Result<()> {
        let signals = Signals::catch().context("cannot wait for signals")?;
        for address in &self.addresses {
            log::info!("listening at {}://{address}", self.scheme);
        }
        let tasks = [
            actix_web::rt::spawn(self.db.clone().maintain()),
            actix_web::rt::spawn(forget_keys(self.db.clone(), self.limits.key_time_to_live())),
            actix_web::rt::spawn(forget_clients(self.gate.clone())),
        ];
        let handle = self.server.handle();
        let (db, gate) = (self.db.clone(), self.gate.clone());
        let is_busy = move || gate.is_busy() || db.load().is_busy();
        tokio::select! {
            stopped = self.server => stopped?,
            () = drain::on_signal(signals, handle, self.draining, self.drain, is_busy) => {}
        }
        tasks.iter().for_each(JoinHandle::abort);
        match tokio::time::timeout(CLOSING, self.db.close()).await {
            Ok(closed) => closed?,
            Err(_) => log::warn!("connections to the database did not close in time"),
        }
        log::info!("stopped");
        Ok(())
    }
}

/// Clears away idempotency keys whose time is over, for ever.
async fn forget_keys(db: Database, time_to_live: TimeDelta) {
    let interval = time_to_live.to_std().unwrap_or_default();
    let interval = interval.clamp(Duration::from_secs(1), Duration::from_mins(10));
    loop {
        sleep(interval).await;
        match idempotency::forget_expired(&db, clock::now()).await {
            Ok(forgotten) => log::debug!("{forgotten} idempotency keys expired"),
            Err(error) => log::warn!("cannot clear away idempotency keys: {error}"),
        }
    }
}

/// Clears away what the rate limits remember of clients who have left, for ever.
async fn forget_clients(gate: Data<Gate>) {
    loop {
        sleep(Duration::from_mins(1)).await;
        gate.forget_idle();
    }
}

/// The framework's own answer is 404.
fn refuse_path(error: &PathError) -> actix_web::Error {
    let detail = match error {
        PathError::Deserialize(error) => error.to_string(),
        _ => "the path makes no sense".to_owned(),
    };
    Problem::bad_request(detail).into()
}

/// What keeps a browser from doing more with an answer than to show it: <https://owasp.org/www-project-secure-headers/>.
fn security_headers(scheme: &str) -> DefaultHeaders {
    let headers = DefaultHeaders::new()
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("X-Frame-Options", "DENY"))
        .add(("Referrer-Policy", "no-referrer"))
        // The pages at /docs bring their own scripts and styles, some of them inline.
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

fn access_log() -> middleware::Logger {
    middleware::Logger::new(r#"%a "%r" %s %b bytes %Ts %{x-request-id}o"#).log_target(ACCESS_LOG)
}
