//! HTTP server: built, bound to its address, then run until a signal stops it.

use std::{net::SocketAddr, time::Duration};

use actix_web::{
    App,
    body::MessageBody,
    dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web::Data,
};
use anyhow::{Context, Result};
use rustls::ServerConfig;
use service::{Database, secrets::Secret};

use super::{
    background::BackgroundTasks,
    connections::{self, ConnectionLimits, ConnectionMetrics, Connections, Tls},
    drain::{self, Signals},
    limits::Limits,
    metrics::Metrics,
    state::State,
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
    /// Limits for connections.
    pub connections: ConnectionLimits,
    /// Settings of the shutdown.
    pub drain: drain::Settings,
}

/// Server that is bound to its address.
pub struct Application {
    server: Server,
    addresses: Vec<SocketAddr>,
    state: State,
    drain: drain::Settings,
}

impl Application {
    /// Builds a server and binds it to its address.
    pub fn build(db: Database, settings: Settings) -> Result<Self> {
        let Settings { listen, workers, tls, connections, limits, drain, .. } = settings;
        let connection_metrics = ConnectionMetrics::new()?;
        let metrics = Metrics::new()?;
        metrics.register(connection_metrics.clone())?;
        let state = State {
            db,
            limits,
            limiter: Data::new(RequestLimiter::new(&limits, connections.max)),
            connections: Connections::new(connections, connection_metrics),
            readiness: Data::default(),
            key_usage: Data::default(),
            metrics: Data::new(metrics),
            authentication: settings.authentication,
            allowed_hosts: Data::new(settings.allowed_hosts),
            cursor_secret: Data::new(settings.cursor_secret),
            proxies: Data::new(settings.proxies),
            scheme: if tls.is_some() { "https" } else { "http" },
        };
        let tls = tls.map(|config| Tls::new(config, connections.handshake_rate));
        let mut server = Server::build()
            .workers(workers)
            .max_concurrent_connections(connections.per_worker(workers))
            .disable_signals()
            .shutdown_timeout(CLOSE_TIMEOUT.as_secs());
        let sockets = connections::bind(&listen);
        let mut addresses = Vec::new();
        for socket in sockets.with_context(|| format!("cannot listen at {listen}"))? {
            addresses.push(socket.local_addr()?);
            let (connections, of_workers) = (&state.connections, state.clone());
            let app = move || app(of_workers.clone());
            server = connections::listen(server, socket, connections, tls.as_ref(), app)?;
        }
        Ok(Self { server: server.run(), addresses, state, drain })
    }

    /// Serves until SIGTERM or SIGINT, then lets running requests finish.
    pub async fn run(self) -> Result<()> {
        let Self { server, addresses, state, drain } = self;
        let signals = Signals::catch().context("cannot wait for signals")?;
        state.readiness.probe(&state.db).await;
        for address in &addresses {
            log::info!("listening at {}://{address}", state.scheme);
        }
        let tasks = BackgroundTasks::start(&state);
        let handle = server.handle();
        tokio::select! {
            stopped = server => stopped?,
            () = drain::on_signal(signals, handle, &state, drain) => {}
        }
        drop(tasks);
        match tokio::time::timeout(CLOSE_TIMEOUT, state.db.close()).await {
            Ok(closed) => closed?,
            Err(_) => log::warn!("connections to the database did not close in time"),
        }
        state.limiter.shed.log_summary();
        log::info!("stopped");
        Ok(())
    }
}

/// Makes the routes with their middleware, for one worker.
fn app(
    state: State,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(Data::new(state.db))
        .app_data(Data::new(state.limits))
        .app_data(state.limiter)
        .app_data(state.readiness)
        .app_data(state.key_usage)
        .app_data(state.metrics)
        .app_data(state.authentication)
        .app_data(state.allowed_hosts)
        .app_data(state.cursor_secret)
        .app_data(state.proxies)
        // Each middleware wraps those before it.
        .wrap(from_fn(limit_client))
        .wrap(from_fn(authentication::authenticate))
        .wrap(from_fn(limit_requests))
        .wrap(from_fn(host::check))
        .wrap(from_fn(request_id::answer_problems))
        .wrap(from_fn(measure))
        .wrap(security_headers(state.scheme))
        .wrap(access_log())
        .configure(extract::configure)
        .configure(routes::configure)
}
