//! Lease of a pooled connection: for one statement or transaction, by a deadline.

use std::{sync::Arc, time::Duration};

use sea_orm::{DatabaseConnection, DbErr, RuntimeErr};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use super::{
    connection::Connection,
    error_class::{Damage, damage, is_lost},
    pool::{InUseGuard, Shared},
};
use crate::Error;

/// Permits of a lease: of the pool, and of the part of it that the user has.
pub type Permits = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

/// Connection that is taken from its pool until this is dropped.
#[derive(Debug)]
pub struct Lease {
    held: Arc<Held>,
    state: State,
    deadline: Option<Instant>,
}

/// Parts of a lease, held after it by a task that waits for the connection.
#[derive(Debug)]
struct Held {
    pool: Arc<Shared>,
    connection: Connection,
    _permits: Permits,
    _tracked: InUseGuard,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.pool.lease_ends();
    }
}

/// Knowledge about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It waits for a statement.
    Ready,
    /// A statement runs. If the lease is dropped now, its user has left.
    Running,
    /// It did not answer, or not as it should.
    Broken,
}

/// Error with the database's error in it.
pub trait HasDbErr: From<DbErr> {
    /// Returns the database's error if it is the reason.
    fn db_err(&self) -> Option<&DbErr>;
}

impl HasDbErr for DbErr {
    fn db_err(&self) -> Option<&DbErr> {
        Some(self)
    }
}

impl HasDbErr for Error {
    fn db_err(&self) -> Option<&DbErr> {
        match self {
            Self::Conflict(error)
            | Self::Contention(error)
            | Self::Unavailable(error)
            | Self::OutcomeUnknown(error)
            | Self::Internal(error) => Some(error),
            _ => None,
        }
    }
}

impl Lease {
    pub(super) fn new(
        pool: Arc<Shared>,
        connection: Connection,
        limit: Duration,
        permits: Permits,
        tracked: InUseGuard,
    ) -> Self {
        pool.lease_begins();
        let held = Held { pool, connection, _permits: permits, _tracked: tracked };
        let deadline = Some(Instant::now() + limit);
        Self { held: Arc::new(held), state: State::Ready, deadline }
    }

    /// Moves the deadline, if there is one, so that it is at least `limit` ahead.
    pub fn extend(&mut self, limit: Duration) {
        let least = Instant::now() + limit;
        self.deadline = self.deadline.map(|deadline| deadline.max(least));
    }

    /// Removes the deadline, for a transaction that may take long.
    pub fn remove_deadline(&mut self) {
        self.deadline = None;
    }

    #[cfg(test)]
    pub fn expire_in(&mut self, limit: Duration) {
        self.deadline = Some(Instant::now() + limit);
    }

    /// Returns whether the connection is not to be used any more.
    pub fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Returns the connection, for [`Lease::run`].
    pub fn database(&self) -> DatabaseConnection {
        self.held.connection.database.clone()
    }

    /// Returns the statement by which each transaction must set its time limits, if it must.
    pub fn transaction_limits(&self) -> Option<Arc<str>> {
        self.held.connection.transaction_limits.clone()
    }

    /// Runs `work`, which uses the connection, until the deadline of the lease.
    pub async fn run<T, E: HasDbErr>(
        &mut self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Held { pool, connection, .. } = &*self.held;
        self.state = State::Running;
        let Some(outcome) = until(self.deadline, work).await else {
            connection.interrupt.set();
            pool.idle().abandon(connection);
            self.state = State::Broken;
            return Err(silent().into());
        };
        // The driver had closed the connection, and may not open another one.
        let is_lost = |error: &E| error.db_err().is_some_and(is_lost);
        let outcome = outcome.map_err(|error| if is_lost(&error) { lost().into() } else { error });
        self.state = match outcome.as_ref().err().and_then(HasDbErr::db_err).map(damage) {
            None | Some(Damage::None) => State::Ready,
            Some(Damage::Connection) => State::Broken,
            Some(Damage::Server) => {
                pool.idle().give_up_server(connection.generation);
                State::Broken
            }
        };
        outcome
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Held { pool, connection, .. } = &*self.held;
        match self.state {
            State::Ready => pool.idle().put(connection.clone()),
            State::Running => {
                connection.interrupt.set();
                pool.runtime().spawn(recover(Arc::clone(&self.held), self.deadline));
            }
            State::Broken => {}
        }
    }
}

/// Waits until the statement whose user left has ended, and gives the connection back.
async fn recover(held: Arc<Held>, deadline: Option<Instant>) {
    let Held { pool, connection, .. } = &*held;
    match until(deadline, connection.database.ping()).await {
        Some(Ok(())) => {
            connection.interrupt.reset();
            pool.idle().put(connection.clone());
        }
        Some(Err(_)) => {}
        None => pool.idle().abandon(connection),
    }
}

/// Returns the outcome, or `None` if the deadline passes before.
async fn until<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, work).await.ok(),
        None => Some(work.await),
    }
}

fn silent() -> DbErr {
    DbErr::Conn(RuntimeErr::Internal("the database did not answer in time".to_owned()))
}

fn lost() -> DbErr {
    DbErr::Conn(RuntimeErr::Internal("the connection was lost".to_owned()))
}
