//! Readiness: what the database allows, found by a probe in the background.

use std::{
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_web::{rt::time::sleep, web::Data};
use service::Database;

/// Pause between two probes.
const INTERVAL: Duration = Duration::from_secs(1);

/// Pause between two probes while nothing can be done with the database.
const OUTAGE_INTERVAL: Duration = Duration::from_millis(200);

/// Access that the database allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseAccess {
    /// Nothing, for this reason.
    Nothing(&'static str),
    /// Reading: it is a standby, or read-only.
    Read,
    /// Reading and writing.
    Write,
}

/// Finding of the last probe, and whether the server is about to stop.
#[derive(Debug)]
pub struct Readiness {
    access: RwLock<DatabaseAccess>,
    is_stopping: AtomicBool,
}

impl Default for Readiness {
    fn default() -> Self {
        let access = RwLock::new(DatabaseAccess::Nothing("the server is starting"));
        Self { access, is_stopping: AtomicBool::new(false) }
    }
}

impl Readiness {
    /// Returns what the server can do with the database: nothing if it is about to stop.
    pub fn access(&self) -> DatabaseAccess {
        if self.is_stopping.load(Relaxed) {
            return DatabaseAccess::Nothing("the server is about to stop");
        }
        self.found()
    }

    /// Reports from now on that the server is about to stop.
    pub fn stop(&self) {
        self.is_stopping.store(true, Relaxed);
    }

    fn found(&self) -> DatabaseAccess {
        *self.access.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Probes the database, and logs a change.
    pub async fn probe(&self, db: &Database) {
        let before = self.found();
        let mut found = service::silently(probe(db)).await;
        if before == DatabaseAccess::Write && found != Some(before) {
            // Perhaps the server has just stopped or lost its role, and another one has it.
            let lost = DatabaseAccess::Nothing(PRIMARY_PROBLEMS.unavailable);
            if found == Some(DatabaseAccess::Read) || found == Some(lost) {
                db.leave_primary();
            }
            found = service::silently(probe(db)).await;
        }
        let found = found.unwrap_or(before);
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = found;
        match found {
            _ if found == before => {}
            DatabaseAccess::Nothing(reason) => log::warn!("not ready: {reason}"),
            DatabaseAccess::Read => log::warn!("the database is read-only"),
            DatabaseAccess::Write => log::info!("ready"),
        }
    }
}

/// Probes the database at intervals until the task is aborted.
pub async fn watch(readiness: Data<Readiness>, db: Database) {
    loop {
        let is_out = matches!(readiness.found(), DatabaseAccess::Nothing(_));
        sleep(if is_out { OUTAGE_INTERVAL } else { INTERVAL }).await;
        readiness.probe(&db).await;
    }
}

/// Returns what the database allows; `None` if it does not tell, as while a table is locked.
async fn probe(db: &Database) -> Option<DatabaseAccess> {
    let (primary, replicas) = db.probes();
    for (probe, problems) in [(Some(primary), &PRIMARY_PROBLEMS), (replicas, &REPLICA_PROBLEMS)] {
        let Some(probe) = probe else { continue };
        match migration::pending(probe).await {
            Ok(pending) if pending.is_empty() => {}
            Ok(_) => return Some(DatabaseAccess::Nothing(problems.behind)),
            Err(error) => {
                log::debug!("not ready: {error}");
                return Some(DatabaseAccess::Nothing(problems.unavailable));
            }
        }
    }
    match db.test_write().await {
        Ok(()) => Some(DatabaseAccess::Write),
        Err(error) if error.is_read_only() => Some(DatabaseAccess::Read),
        Err(error) => {
            log::debug!("not known to be writable: {error}");
            None
        }
    }
}

/// Reasons why nothing can be done with a server.
struct Problems {
    behind: &'static str,
    unavailable: &'static str,
}

const PRIMARY_PROBLEMS: Problems = Problems {
    behind: "the database's schema is behind",
    unavailable: "the database is unavailable",
};

const REPLICA_PROBLEMS: Problems = Problems {
    behind: "the schema of the database to read from is behind",
    unavailable: "the database to read from is unavailable",
};
