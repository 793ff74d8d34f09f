//! Graceful shutdown: the server reports that it is not ready, then accepts no more requests, then waits for those
//! that run.

use std::{future::pending, io, time::Duration};

use actix_web::{dev::ServerHandle, rt::time::sleep};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use super::state::State;

/// Duration of each step.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time in which the server is not ready and still accepts requests, so that load balancers notice.
    pub delay: Duration,
    /// Time limit for running requests after that.
    pub timeout: Duration,
}

/// Streams of SIGTERM and SIGINT.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches the signals, which from then on do not end the process by themselves.
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

/// Stops the server gracefully at the first signal, and at once at the second one.
pub async fn on_signal(
    mut signals: Signals,
    server: ServerHandle,
    state: &State,
    settings: Settings,
) {
    signals.next().await;
    log::info!("stopping: not ready for {:?}, then no more requests", settings.delay);
    state.readiness.stop();
    let graceful = async {
        sleep(settings.delay).await;
        server.pause().await;
        // An idle worker ends at once, and with it the database connections that its runtime opened for all
        // workers. So no worker is told to stop while a request or a task may need one.
        let in_time = timeout(settings.timeout, until_idle(state)).await.is_ok();
        state.connections.stop();
        server.stop(in_time).await;
        // The server's future ends now.
        pending::<()>().await;
    };
    tokio::select! {
        () = graceful => {}
        () = signals.next() => log::warn!("stopping at once"),
    }
}

async fn until_idle(state: &State) {
    while state.is_busy() {
        sleep(Duration::from_millis(10)).await;
    }
}
