//! Outcomes of requests while a fault is present: statuses, and times without a success.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

/// Outcomes of the requests to place an order, since the start of a load.
pub struct Outcomes(RefCell<Counts>);

struct Counts {
    started: Instant,
    statuses: BTreeMap<Option<u16>, usize>,
    last_success: Instant,
    longest_gap: Duration,
}

impl Outcomes {
    /// Starts to count.
    pub fn start() -> Self {
        let now = Instant::now();
        Self(RefCell::new(Counts {
            started: now,
            statuses: BTreeMap::new(),
            last_success: now,
            longest_gap: Duration::ZERO,
        }))
    }

    /// Counts a response by its status; `None` is a connection that failed.
    pub fn count(&self, status: Option<u16>) {
        let mut counts = self.0.borrow_mut();
        *counts.statuses.entry(status).or_default() += 1;
        if status == Some(201) {
            counts.end_gap();
        }
    }

    /// Returns the number of successes so far.
    pub fn successes(&self) -> usize {
        self.0.borrow().statuses.get(&Some(201)).copied().unwrap_or_default()
    }

    /// Returns what was counted.
    pub fn summary(&self) -> Summary {
        let mut counts = self.0.borrow_mut();
        counts.end_gap();
        Summary {
            took: counts.started.elapsed(),
            statuses: counts.statuses.clone(),
            longest_gap: counts.longest_gap,
        }
    }
}

impl Counts {
    fn end_gap(&mut self) {
        let now = Instant::now();
        self.longest_gap = self.longest_gap.max(now - self.last_success);
        self.last_success = now;
    }
}

/// Outcomes that clients saw during a fault.
#[derive(Debug)]
pub struct Summary {
    took: Duration,
    /// Number of responses by status; `None` are connections that failed.
    statuses: BTreeMap<Option<u16>, usize>,
    /// Longest time in which no client had a success.
    longest_gap: Duration,
}

impl Summary {
    /// Asserts that the statuses besides 201 are among `allowed`, and that there never was no success for longer than
    /// `limit`.
    #[track_caller]
    pub fn assert_within(&self, limit: Duration, allowed: &[u16]) {
        let others = self.statuses.keys().filter(|status| **status != Some(201));
        let unexpected: Vec<_> =
            others.filter(|status| !status.is_some_and(|s| allowed.contains(&s))).collect();
        assert!(unexpected.is_empty(), "unexpected: {self:?}");
        assert!(self.longest_gap <= limit, "no success for {:?}: {self:?}", self.longest_gap);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses: Vec<_> =
            self.statuses.iter().map(|(status, n)| format!("{n} × {}", name(*status))).collect();
        let (statuses, took, gap) = (statuses.join(", "), self.took, self.longest_gap);
        write!(f, "{statuses} in {took:.1?}; longest time without a success {gap:.2?}")
    }
}

fn name(status: Option<u16>) -> String {
    status.map_or_else(|| "connection failed".to_owned(), |status| status.to_string())
}
