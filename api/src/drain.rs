//! How the server stops: first it says that it is not ready, then it takes no more requests, then it waits for
//! those that run.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use actix_web::{dev::ServerHandle, rt::time::sleep, web::Data};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long each step takes.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// While readiness says no and requests are still taken, so that others learn of it.
    pub delay: Duration,
    /// Then, at most, for running requests to end.
    pub deadline: Duration,
}

/// Whether the server is about to stop, and wants no new requests.
#[derive(Debug, Default)]
pub struct Draining(AtomicBool);

impl Draining {
    /// Whether it is.
    pub fn is_on(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Waits for SIGTERM or SIGINT and stops the server; a second one ends the waiting.
pub async fn on_signal(server: ServerHandle, draining: Data<Draining>, settings: Settings) {
    let (mut terminate, mut interrupt) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            (Err(error), _) | (_, Err(error)) => {
                log::error!("no signal will stop the server in good order: {error}");
                return;
            }
        };
    either(&mut terminate, &mut interrupt).await;
    log::info!("stopping: not ready for {:?}, then no more requests", settings.delay);
    draining.0.store(true, Relaxed);
    let in_order = async {
        sleep(settings.delay).await;
        server.stop(true).await;
    };
    tokio::select! {
        () = in_order => {}
        () = either(&mut terminate, &mut interrupt) => {
            log::warn!("stopping at once");
            server.stop(false).await;
        }
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
