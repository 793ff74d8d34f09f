//! Registry of the open connections: it admits new ones and closes those that have waited too long.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{
    connection::{Clock, Connection, Phase, Reason},
    metrics::ConnectionMetrics,
    settings::{ConnectionLimits, SURPLUS},
};

/// Time that an answered connection may stay without a further request.
const KEEP_ALIVE: u32 = 600;

/// Time that a connection has in any case to send a request, before it is closed to make room.
const NEW: u32 = 10;

/// Additional time for the first head, within which the framework answers 408.
const GRACE: u32 = 10;

/// Open connections by their ids.
#[derive(Default)]
struct Open {
    last_id: u64,
    ordinary: HashMap<u64, Arc<Connection>>,
    surplus: HashMap<u64, Arc<Connection>>,
}

/// Open connections of a server.
pub struct Connections {
    limits: ConnectionLimits,
    clock: Arc<Clock>,
    open: Mutex<Open>,
    is_stopping: AtomicBool,
    metrics: ConnectionMetrics,
}

/// Place of an open connection, which is free again when this is dropped.
pub(super) struct Admission {
    pub(super) connection: Arc<Connection>,
    id: u64,
    connections: Arc<Connections>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        if open.ordinary.remove(&self.id).is_none() {
            open.surplus.remove(&self.id);
        }
        self.connections.metrics.open(open.ordinary.len() + open.surplus.len());
    }
}

impl Connections {
    /// Creates the registry of a server without connections.
    pub fn new(limits: ConnectionLimits, metrics: ConnectionMetrics) -> Arc<Self> {
        Arc::new(Self {
            limits,
            clock: Arc::default(),
            open: Mutex::default(),
            is_stopping: AtomicBool::default(),
            metrics,
        })
    }

    pub(super) fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    pub(super) fn metrics(&self) -> &ConnectionMetrics {
        &self.metrics
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a new connection in the given phase. If there are too many, makes room, or else admits it for probes only;
    /// `None` if not even that is possible.
    pub(super) fn admit(self: &Arc<Self>, phase: Phase) -> Option<Admission> {
        let mut open = self.open();
        let has_room =
            open.ordinary.len() < self.limits.max || self.make_room(&mut open.ordinary, NEW);
        if !has_room && open.surplus.len() >= SURPLUS && !self.make_room(&mut open.surplus, 0) {
            self.metrics.refused();
            return None;
        }
        open.last_id = open.last_id.wrapping_add(1);
        let id = open.last_id;
        let connection = Arc::new(Connection::new(Arc::clone(&self.clock), phase, !has_room));
        let place = if has_room { &mut open.ordinary } else { &mut open.surplus };
        place.insert(id, Arc::clone(&connection));
        if self.is_stopping.load(Relaxed) {
            self.close(&connection, Reason::Stop);
        }
        self.metrics.open(open.ordinary.len() + open.surplus.len());
        Some(Admission { connection, id, connections: Arc::clone(self) })
    }

    /// Closes those connections that have waited longest for a request, one of 64: first those that never had one, then
    /// the idle ones. Returns `false` if none has waited for `min`.
    fn make_room(&self, open: &mut HashMap<u64, Arc<Connection>>, min: u32) -> bool {
        let waiting =
            open.iter().filter_map(|(id, connection)| Some((urgency(connection, min)?, *id)));
        let mut waiting: Vec<_> = waiting.collect();
        let last = waiting.len() / 64;
        if last < waiting.len() {
            waiting.select_nth_unstable(last);
        }
        waiting.truncate(last + 1);
        for (_, id) in &waiting {
            if let Some(connection) = open.remove(id) {
                self.close(&connection, Reason::Room);
            }
        }
        !waiting.is_empty()
    }

    fn close(&self, connection: &Connection, reason: Reason) {
        connection.close(reason);
        self.metrics.closed(reason);
    }

    /// Closes the connections that have waited too long, until the task is aborted.
    pub async fn watch(self: Arc<Self>) {
        const TICK: Duration = Duration::from_millis(100);
        let started = Instant::now();
        loop {
            tokio::time::sleep(TICK).await;
            let ticks = started.elapsed().as_millis() / TICK.as_millis();
            self.clock.set(u32::try_from(ticks).unwrap_or(u32::MAX));
            self.close_expired();
        }
    }

    fn close_expired(&self) {
        let mut open = self.open();
        let Open { ordinary, surplus, .. } = &mut *open;
        for connections in [ordinary, surplus] {
            connections.retain(|_, connection| match self.expired(connection) {
                Some(reason) => {
                    self.close(connection, reason);
                    false
                }
                None => true,
            });
        }
    }

    /// Returns the reason to close the connection if it has waited too long.
    fn expired(&self, connection: &Connection) -> Option<Reason> {
        if connection.stalled_for().is_some_and(|stalled| stalled >= ticks(self.limits.write)) {
            return Some(Reason::Write);
        }
        let (phase, elapsed) = connection.phase();
        let (limit, reason) = match phase {
            Phase::Handshake => (ticks(self.limits.handshake), Reason::Handshake),
            Phase::FirstHead => (ticks(self.limits.head).saturating_add(GRACE), Reason::Head),
            Phase::NextHead => (ticks(self.limits.head), Reason::Head),
            Phase::Idle if connection.is_busy() => return None,
            Phase::Idle => (KEEP_ALIVE, Reason::Idle),
            Phase::Request => return None,
        };
        (elapsed >= limit).then_some(reason)
    }

    /// Returns whether a client has not taken the whole answer to its request.
    pub fn is_busy(&self) -> bool {
        let open = self.open();
        open.ordinary.values().chain(open.surplus.values()).any(|connection| connection.is_busy())
    }

    /// Closes all connections as soon as they have sent their answers, those too that are admitted from now on.
    pub fn stop(&self) {
        let open = self.open();
        self.is_stopping.store(true, Relaxed);
        for connection in open.ordinary.values().chain(open.surplus.values()) {
            self.close(connection, Reason::Stop);
        }
    }
}

/// Returns how soon the connection is closed to make room, the smallest value first; `None` while its client has not taken
/// its whole answer, or it has waited for less than `min`.
fn urgency(connection: &Connection, min: u32) -> Option<(bool, u32)> {
    if connection.is_busy() {
        return None;
    }
    let (phase, elapsed) = connection.phase();
    let had_request = match phase {
        Phase::Request => return None,
        Phase::Handshake | Phase::FirstHead => false,
        Phase::Idle | Phase::NextHead => true,
    };
    (elapsed >= min).then_some((had_request, u32::MAX - elapsed))
}

fn ticks(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis() / 100).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u32 = 10;

    fn connections(max: usize) -> Arc<Connections> {
        let seconds = Duration::from_secs;
        let limits = ConnectionLimits {
            max,
            head: seconds(10),
            write: seconds(30),
            handshake: seconds(5),
            handshake_rate: 0,
        };
        Connections::new(limits, ConnectionMetrics::new().unwrap())
    }

    fn admit(connections: &Arc<Connections>) -> Admission {
        connections.admit(Phase::FirstHead).unwrap()
    }

    #[test]
    fn room_is_made_by_connections_that_never_had_a_request_then_by_idle_ones() {
        let all = connections(3);
        let [idle, busy] = [admit(&all), admit(&all)];
        idle.connection.answered();
        busy.connection.enter(Phase::Request);
        all.clock.set(5 * SECOND);
        let silent = admit(&all);
        all.clock.set(8 * SECOND);
        let fourth = admit(&all);
        assert_eq!(silent.connection.closing(), Some(Reason::Room));
        assert_eq!(idle.connection.closing(), None);
        let fifth = admit(&all);
        assert_eq!(idle.connection.closing(), Some(Reason::Room));
        assert_eq!(fourth.connection.closing(), None);
        for connection in [&fourth, &fifth] {
            connection.connection.enter(Phase::Request);
            assert!(!connection.connection.is_surplus());
        }
        // All are busy: further ones are for probes, the longest waiting of which makes room.
        let surplus: Vec<_> = (0..SURPLUS).map(|_| admit(&all)).collect();
        assert!(surplus.iter().all(|surplus| surplus.connection.is_surplus()));
        assert_eq!(
            surplus.iter().filter(|surplus| surplus.connection.closing().is_some()).count(),
            0
        );
        assert!(admit(&all).connection.is_surplus());
        assert_eq!(
            surplus.iter().filter(|surplus| surplus.connection.closing().is_some()).count(),
            1
        );
        drop(busy);
        assert!(!admit(&all).connection.is_surplus());
    }

    #[test]
    fn a_new_connection_makes_no_room() {
        let all = connections(1);
        let first = admit(&all);
        all.clock.set(NEW - 1);
        assert!(admit(&all).connection.is_surplus());
        all.clock.set(NEW);
        assert!(!admit(&all).connection.is_surplus());
        assert_eq!(first.connection.closing(), Some(Reason::Room));
    }

    #[test]
    fn each_phase_has_its_time_limit() {
        let all = connections(9);
        let open = admit(&all);
        let connection = &open.connection;
        for (phase, seconds, reason) in [
            (Phase::Handshake, 5, Reason::Handshake),
            (Phase::FirstHead, 11, Reason::Head),
            (Phase::NextHead, 10, Reason::Head),
            (Phase::Idle, 60, Reason::Idle),
        ] {
            connection.enter(phase);
            let start = all.clock.now();
            all.clock.set(start + seconds * SECOND - 1);
            assert_eq!(all.expired(connection), None, "{phase:?}");
            all.clock.set(start + seconds * SECOND);
            assert_eq!(all.expired(connection), Some(reason), "{phase:?}");
        }
        connection.enter(Phase::Request);
        connection.stalls();
        all.clock.set(all.clock.now() + 29 * SECOND);
        connection.stalls();
        assert_eq!(all.expired(connection), None);
        all.clock.set(all.clock.now() + SECOND);
        assert_eq!(all.expired(connection), Some(Reason::Write));
        connection.written();
        assert_eq!(all.expired(connection), None);
    }
}
