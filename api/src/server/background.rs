//! Tasks that run beside the requests for as long as the server does.

use std::{sync::Arc, time::Duration};

use actix_web::rt::{spawn, task::JoinHandle, time::sleep};
use chrono::TimeDelta;
use service::{Database, api_keys::KeyUsage, idempotency};

use super::{clock, readiness, state::State};
use crate::middleware::limits::RequestLimiter;

/// Interval at which uses of API keys are written, each key far less often.
const USAGE_INTERVAL: Duration = Duration::from_secs(5);

/// Tasks that end when this is dropped.
pub struct BackgroundTasks(Vec<JoinHandle<()>>);

impl BackgroundTasks {
    /// Starts the tasks of a server.
    pub fn start(state: &State) -> Self {
        let State { db, limits, limiter, connections, readiness, key_usage, .. } = state.clone();
        let time_to_live = limits.key_time_to_live();
        let shedding = limiter.clone();
        Self(vec![
            spawn(readiness::watch(readiness, db.clone())),
            spawn(purge_keys(db.clone(), time_to_live)),
            spawn(record_usage(db, key_usage.into_inner())),
            spawn(purge_clients(limiter.into_inner())),
            spawn(async move { shedding.shed.log().await }),
            spawn(connections.watch()),
        ])
    }
}

impl Drop for BackgroundTasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Deletes expired idempotency keys.
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

/// Removes idle clients from the limits.
async fn purge_clients(limiter: Arc<RequestLimiter>) {
    loop {
        sleep(Duration::from_mins(1)).await;
        limiter.purge_idle();
    }
}

/// Writes the times at which API keys were used. A failure is retried with the next uses.
async fn record_usage(db: Database, usage: Arc<KeyUsage>) {
    loop {
        sleep(USAGE_INTERVAL).await;
        if let Err(error) = usage.write(&db).await {
            log::debug!("cannot record the use of API keys: {error}");
        }
    }
}
