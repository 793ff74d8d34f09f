//! How the server stops: first it says that it is not ready, then it takes no more requests, then it waits for
//! those that run.

use std::{
    future::pending,
    io,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use actix_web::{dev::ServerHandle, rt::time::sleep, web::Data};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

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

/// SIGTERM and SIGINT, which from now on stop nothing by themselves.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them.
    pub fn catch() -> io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Stops the server in good order at the first signal; ends at the second one, whatever still runs.
pub async fn on_signal(
    mut signals: Signals,
    server: ServerHandle,
    draining: Data<Draining>,
    settings: Settings,
    is_busy: impl Fn() -> bool,
) {
    signals.next().await;
    log::info!("stopping: not ready for {:?}, then no more requests", settings.delay);
    draining.0.store(true, Relaxed);
    let in_order = async {
        sleep(settings.delay).await;
        server.pause().await;
        // A worker that has nothing to do ends at once, and with it the connections to the database that it
        // opened for all: no worker is told to stop while anybody may need one.
        let in_time = timeout(settings.deadline, until_idle(is_busy)).await.is_ok();
        server.stop(in_time).await;
        // The server ends by itself then.
        pending::<()>().await;
    };
    tokio::select! {
        () = in_order => {}
        () = signals.next() => log::warn!("stopping at once"),
    }
}

async fn until_idle(is_busy: impl Fn() -> bool) {
    while is_busy() {
        sleep(Duration::from_millis(10)).await;
    }
}
