//! Outages: while the database cannot be reached, one task at a time tries to, and the others fail at once.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sea_orm::DbErr;

/// Pause between two attempts to reach the database.
const PAUSE: Duration = Duration::from_millis(200);

/// Longest time for which an attempt keeps others from trying as well.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Interval in which losses of the server count once. A server that is read-only on purpose refuses each write.
const LOSS_INTERVAL: Duration = Duration::from_secs(1);

/// Record of a server, shared by its pools.
#[derive(Debug, Default)]
pub struct Outage {
    /// The last opening of a connection, if it failed.
    down: Mutex<Option<Down>>,
    losses: Mutex<Losses>,
}

/// Losses of the server, or of its role.
#[derive(Debug, Default)]
struct Losses {
    count: u64,
    last: Option<Instant>,
    /// True if another one happened in the interval after the last one, at whose end it counts.
    is_due: bool,
}

#[derive(Debug)]
struct Down {
    reason: DbErr,
    next_attempt: Instant,
}

impl Outage {
    /// Runs `open`, which opens a connection; fails at once with the reason of an earlier failure if another task
    /// tries, or has just failed.
    pub async fn unless_down<T>(
        &self,
        open: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        if let Some(reason) = self.begin_attempt() {
            return Err(reason);
        }
        let attempt = Attempt(self);
        let outcome = open.await;
        std::mem::forget(attempt);
        *self.state() = outcome
            .as_ref()
            .err()
            .map(|error| Down { reason: error.clone(), next_attempt: Instant::now() + PAUSE });
        outcome
    }

    /// Returns the reason to fail at once, or `None` if the caller is to try.
    fn begin_attempt(&self) -> Option<DbErr> {
        let mut state = self.state();
        let down = state.as_mut()?;
        let now = Instant::now();
        if now < down.next_attempt {
            return Some(down.reason.clone());
        }
        down.next_attempt = now + ATTEMPT;
        None
    }

    /// Counts that the server was lost, or takes no writes any more: another one may have its role by now.
    pub fn count_loss(&self) {
        let mut losses = self.lock_losses();
        losses.is_due = true;
        losses.count_due();
    }

    /// Returns the number of losses.
    pub fn losses(&self) -> u64 {
        let mut losses = self.lock_losses();
        losses.count_due();
        losses.count
    }

    fn lock_losses(&self) -> MutexGuard<'_, Losses> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, Option<Down>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Losses {
    fn count_due(&mut self) {
        if self.is_due && self.last.is_none_or(|last| last.elapsed() > LOSS_INTERVAL) {
            *self = Self { count: self.count + 1, last: Some(Instant::now()), is_due: false };
        }
    }
}

/// Attempt that lets another task try at once if it is dropped before its end, because its client left.
struct Attempt<'a>(&'a Outage);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(down) = self.0.state().as_mut() {
            down.next_attempt = Instant::now();
        }
    }
}
