//! Open connections of a pool that wait for their next user.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{
    connection::{Connection, Release},
    outage::Outage,
};

/// Age at which a connection is closed, so that a pool follows a server that moves.
const MAX_LIFETIME: Duration = Duration::from_mins(30);

/// Greatest number of connections without an answer that were given up and are not closed yet, as a multiple of those of
/// the pool: the commits of a database may wait for another server for hours.
const MAX_ABANDONED: usize = 4;

/// Idle connections, the one that was used longest ago first.
#[derive(Debug)]
pub struct IdleConnections {
    queue: Mutex<VecDeque<Idle>>,
    /// Connections that were given up while they waited for an answer, with the number of losses of the server until then.
    abandoned: Mutex<Vec<(u64, Connection)>>,
    /// Number of times that the connections of this pool were given up.
    given_up: AtomicU64,
    outage: Arc<Outage>,
}

/// Idle connection.
#[derive(Debug)]
pub struct Idle {
    pub connection: Connection,
    pub since: Instant,
}

impl IdleConnections {
    /// Makes an empty list for a pool of the server that `outage` is about.
    pub fn new(outage: Arc<Outage>) -> Self {
        let (queue, abandoned) = (Mutex::default(), Mutex::default());
        Self { queue, abandoned, given_up: AtomicU64::new(0), outage }
    }

    /// Returns a number that differs after each time that connections were given up.
    pub fn generation(&self) -> u64 {
        self.given_up.load(Relaxed) + self.outage.losses()
    }

    /// Returns the number of connections.
    pub fn len(&self) -> usize {
        self.current().len()
    }

    /// Keeps a connection for its next user, unless it is too old.
    pub fn put(&self, connection: Connection) {
        if connection.generation == self.generation()
            && connection.opened_at.elapsed() < MAX_LIFETIME
        {
            self.queue().push_back(Idle { connection, since: Instant::now() });
        }
    }

    /// Takes the connection that was used longest ago of those that are ready. If none is, the caller opens another one,
    /// unless there are as many as may be: then it waits for one.
    pub fn take(&self, in_use: usize, max_connections: usize) -> Option<Idle> {
        let mut idle = self.current();
        idle.retain(|idle| idle.connection.release() != Release::Failed);
        let ready = idle.iter().position(|idle| idle.connection.release() == Release::Done);
        match ready {
            Some(position) => idle.remove(position),
            None if idle.len() + in_use <= max_connections => None,
            None => idle.pop_front(),
        }
    }

    /// Takes a connection, which may not be ready yet.
    pub fn take_any(&self) -> Option<Connection> {
        self.current().pop_front().map(|idle| idle.connection)
    }

    /// Takes all connections.
    pub fn take_all(&self) -> VecDeque<Idle> {
        std::mem::take(&mut *self.queue())
    }

    /// Gives up all connections, and those in use as soon as they are given back, because one of `generation` has lost the
    /// network. Later ones may be sound.
    pub fn give_up(&self, generation: u64) {
        if generation == self.generation() {
            self.given_up.fetch_add(1, Relaxed);
            self.queue().clear();
        }
    }

    /// Gives up a connection without an answer, and the others as [`IdleConnections::give_up`] does.
    pub fn abandon(&self, connection: &Connection) {
        self.abandoned().push((self.outage.losses(), connection.clone()));
        self.give_up(connection.generation);
    }

    /// Returns whether so many connections wait for an answer of the server that no other one is to be opened.
    pub fn are_too_many_abandoned(&self, max_connections: usize) -> bool {
        let losses = self.outage.losses();
        let mut abandoned = self.abandoned();
        // After a loss another server may have the role, and those of the former one may wait for good.
        abandoned.retain(|(before, connection)| {
            *before == losses && connection.release() == Release::Pending
        });
        abandoned.len() >= MAX_ABANDONED.saturating_mul(max_connections)
    }

    fn abandoned(&self) -> MutexGuard<'_, Vec<(u64, Connection)>> {
        self.abandoned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up the connections of all pools of the server, because it was lost or has lost its role. A server that takes
    /// no writes any more still answers: a pool that only reads would not notice, and read old rows.
    pub fn give_up_server(&self, generation: u64) {
        if generation == self.generation() {
            self.give_up(generation);
            self.outage.count_loss();
        }
    }

    /// Returns the connections, without those that this pool or another one of the server has given up.
    fn current(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        let generation = self.generation();
        let mut idle = self.queue();
        idle.retain(|idle| idle.connection.generation == generation);
        idle
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
