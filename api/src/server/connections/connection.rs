//! State of a connection, shared by its stream, its requests and the registry.

use std::sync::{
    Arc,
    atomic::{
        AtomicU8, AtomicU32, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
};

use futures_util::task::AtomicWaker;

/// Time since the start of the server in tenths of a second, advanced by one task. Reading it costs nothing, unlike
/// reading the system's clock several times in each request.
#[derive(Debug, Default)]
pub(super) struct Clock(AtomicU32);

impl Clock {
    pub(super) fn now(&self) -> u32 {
        self.0.load(Relaxed)
    }

    pub(super) fn set(&self, now: u32) {
        self.0.store(now, Relaxed);
    }
}

/// Event that a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The client must complete the TLS handshake.
    Handshake,
    /// The client must send the head of the first request.
    FirstHead,
    /// The server must answer. The body of the request and the answer have time limits of their own.
    Request,
    /// The last request is answered; the client may send another one.
    Idle,
    /// The client has begun to send the next request, or goes on with a body that was not read.
    NextHead,
}

/// Reason for which the server closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The TLS handshake took too long.
    Handshake,
    /// The head of a request, or the rest of a body that was not read, took too long.
    Head,
    /// The client sent no further request.
    Idle,
    /// The client did not read its answer.
    Write,
    /// There are too many connections.
    Room,
    /// The server stops.
    Stop,
}

impl Reason {
    /// All reasons with their labels in the metrics.
    pub(super) const ALL: [(Self, &'static str); 6] = [
        (Self::Handshake, "handshake_timeout"),
        (Self::Head, "header_timeout"),
        (Self::Idle, "idle"),
        (Self::Write, "write_timeout"),
        (Self::Room, "too_many"),
        (Self::Stop, "stop"),
    ];

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().map(|(reason, _)| reason).find(|reason| reason.code() == code)
    }

    /// Returns a number greater than 0.
    fn code(self) -> u8 {
        self as u8 + 1
    }
}

/// State of a connection.
#[derive(Debug)]
pub struct Connection {
    clock: Arc<Clock>,
    /// Phase in the upper half, its start in the lower half.
    phase: AtomicU64,
    /// 0, or the time plus 1 since which the client has taken no part of the answer.
    stalled: AtomicU32,
    /// 0, or the code of the reason for which the connection is being closed.
    closed: AtomicU8,
    surplus: bool,
    waker: AtomicWaker,
}

impl Connection {
    pub(super) fn new(clock: Arc<Clock>, phase: Phase, surplus: bool) -> Self {
        let connection = Self {
            clock,
            phase: AtomicU64::default(),
            stalled: AtomicU32::default(),
            closed: AtomicU8::default(),
            surplus,
            waker: AtomicWaker::new(),
        };
        connection.enter(phase);
        connection
    }

    /// Returns whether the server has as many connections as it may, so that this one is for probes only.
    pub fn is_surplus(&self) -> bool {
        self.surplus
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(u64::from(phase as u32) << 32 | u64::from(self.clock.now()), Relaxed);
    }

    /// Returns the phase and the time spent in it, in tenths of a second.
    pub(super) fn phase(&self) -> (Phase, u32) {
        let [phase, since] = halves(self.phase.load(Relaxed));
        let phase = match phase {
            0 => Phase::Handshake,
            1 => Phase::FirstHead,
            2 => Phase::Request,
            3 => Phase::Idle,
            _ => Phase::NextHead,
        };
        (phase, self.clock.now().saturating_sub(since))
    }

    /// Records that a request was answered.
    pub(super) fn answered(&self) {
        self.enter(Phase::Idle);
        if self.closing().is_some() {
            self.waker.wake();
        }
    }

    /// Records that the client sent something.
    pub(super) fn received(&self) {
        if halves(self.phase.load(Relaxed))[0] == Phase::Idle as u32 {
            self.enter(Phase::NextHead);
        }
    }

    /// Records that the client took a part of the answer.
    pub(super) fn written(&self) {
        if self.stalled.load(Relaxed) != 0 {
            self.stalled.store(0, Relaxed);
        }
    }

    /// Records that the client does not take the next part of the answer.
    pub(super) fn stalls(&self) {
        if self.stalled.load(Relaxed) == 0 {
            self.stalled.store(self.clock.now().saturating_add(1), Relaxed);
        }
    }

    /// Returns for how long the client has taken no part of the answer, in tenths of a second.
    pub(super) fn stalled_for(&self) -> Option<u32> {
        let since = self.stalled.load(Relaxed).checked_sub(1)?;
        Some(self.clock.now().saturating_sub(since))
    }

    /// Returns the reason for which the connection is being closed.
    pub(super) fn closing(&self) -> Option<Reason> {
        Reason::from_code(self.closed.load(Acquire))
    }

    /// Returns whether reading tells that the client has closed the connection. While the server stops, a request is
    /// answered first.
    pub(super) fn reads_as_closed(&self) -> bool {
        match self.closing() {
            None => false,
            Some(Reason::Stop) => self.phase().0 != Phase::Request,
            Some(_) => true,
        }
    }

    /// Returns whether a request is not answered, or its answer not taken by the client.
    pub(super) fn is_busy(&self) -> bool {
        self.phase().0 == Phase::Request || self.stalled_for().is_some()
    }

    /// Makes the stream end, and wakes the task that waits for it. The first reason counts.
    pub(super) fn close(&self, reason: Reason) {
        if self.closed.compare_exchange(0, reason.code(), AcqRel, Acquire).is_ok() {
            self.waker.wake();
        }
    }

    /// Registers the task that [`Connection::close`] wakes.
    pub(super) fn register(&self, context: &std::task::Context<'_>) {
        self.waker.register(context.waker());
    }
}

fn halves(word: u64) -> [u32; 2] {
    [word >> 32, word & u64::from(u32::MAX)].map(|half| u32::try_from(half).unwrap_or(u32::MAX))
}
