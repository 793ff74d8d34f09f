//! The HTTP server: built, bound, then run; the program and whoever embeds it start it the same way.

use std::{net::SocketAddr, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::Server,
    error::PathError,
    middleware::{self, Condition},
    rt::{task::JoinHandle, time::sleep},
    web,
};
use anyhow::{Context, Result};
use chrono::TimeDelta;
use service::{Database, idempotency};

use crate::{
    body::BodySettings,
    clock,
    problem::{self, Problem},
    routes,
};

/// The most bytes of a request's body.
const BODY_LIMIT: usize = 256 * 1024;

/// What the log calls its lines about requests.
const ACCESS_LOG: &str = "access";

/// A server that has its address and waits to run.
pub struct Application {
    server: Server,
    addresses: Vec<SocketAddr>,
    db: Database,
    bodies: BodySettings,
}

impl Application {
    /// Binds to `listen` with so many worker threads.
    pub fn build(db: Database, listen: &str, workers: usize, bodies: BodySettings) -> Result<Self> {
        let shared = web::Data::new(db.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::Data::new(bodies))
                .app_data(web::PathConfig::default().error_handler(|error, _| refuse_path(&error)))
                .app_data(web::PayloadConfig::new(BODY_LIMIT))
                .wrap(middleware::from_fn(problem::answer))
                .wrap(Condition::new(
                    log::log_enabled!(target: ACCESS_LOG, log::Level::Info),
                    access_log(),
                ))
                .configure(routes::configure)
        })
        .workers(workers)
        .bind(listen)
        .with_context(|| format!("cannot listen at {listen}"))?;
        let addresses = server.addrs();
        Ok(Self { server: server.run(), addresses, db, bodies })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until a signal says stop, then lets running requests end.
    pub async fn run(self) -> Result<()> {
        for address in &self.addresses {
            log::info!("listening at http://{address}");
        }
        let maintenance = [
            actix_web::rt::spawn(self.db.clone().maintain()),
            actix_web::rt::spawn(forget_keys(self.db.clone(), self.bodies.key_time_to_live)),
        ];
        self.server.await?;
        maintenance.iter().for_each(JoinHandle::abort);
        self.db.close().await?;
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

/// The framework's own answer is 404.
fn refuse_path(error: &PathError) -> actix_web::Error {
    let detail = match error {
        PathError::Deserialize(error) => error.to_string(),
        _ => "the path makes no sense".to_owned(),
    };
    Problem::bad_request(detail).into()
}

fn access_log() -> middleware::Logger {
    middleware::Logger::new(r#"%a "%r" %s %b bytes %Ts %{x-request-id}o"#).log_target(ACCESS_LOG)
}
