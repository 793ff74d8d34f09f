//! Requests that are refused because of limits: counted by reason, and logged as a summary, so that a flood of requests
//! does not become a flood of lines.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use actix_web::rt::time::sleep;

use crate::respond::shed::Reason;

/// Time between summaries in the log.
const INTERVAL: Duration = Duration::from_secs(5);

/// Numbers of refused requests.
#[derive(Debug, Default)]
pub struct Shed([Count; Reason::ALL.len()]);

#[derive(Debug, Default)]
struct Count {
    total: AtomicU64,
    logged: AtomicU64,
}

impl Shed {
    /// Counts a refused request.
    pub fn count(&self, reason: Reason) {
        for (of, count) in self.counts() {
            if of == reason {
                count.total.fetch_add(1, Relaxed);
            }
        }
    }

    /// Returns the numbers since the start.
    pub fn totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts().map(|(reason, count)| (reason.name(), count.total.load(Relaxed)))
    }

    /// Logs the numbers every few seconds, as long as requests are refused, until the task is aborted.
    pub async fn log(&self) {
        loop {
            sleep(INTERVAL).await;
            self.log_summary();
        }
    }

    /// Logs the numbers since the last summary, if any request was refused.
    pub fn log_summary(&self) {
        if let Some(summary) = self.summary() {
            log::warn!("{summary}");
        }
    }

    fn summary(&self) -> Option<String> {
        let mut summary = String::new();
        let mut sum = 0;
        for (reason, count) in self.counts() {
            let total = count.total.load(Relaxed);
            let new = total.saturating_sub(count.logged.swap(total, Relaxed));
            if new > 0 {
                sum += new;
                let _ = write!(summary, ", {}: {new}", reason.name());
            }
        }
        (sum > 0).then(|| format!("refused {sum} requests because of limits{summary}"))
    }

    fn counts(&self) -> impl Iterator<Item = (Reason, &Count)> {
        Reason::ALL.into_iter().zip(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_what_was_refused_since_the_last_one() {
        let shed = Shed::default();
        assert_eq!(shed.summary(), None);
        shed.count(Reason::RatePerKey);
        shed.count(Reason::Bodies);
        shed.count(Reason::RatePerKey);
        let expected = "refused 3 requests because of limits, rate_per_key: 2, bodies: 1";
        assert_eq!(shed.summary().as_deref(), Some(expected));
        assert_eq!(shed.summary(), None);
        shed.count(Reason::Bodies);
        let expected = "refused 1 requests because of limits, bodies: 1";
        assert_eq!(shed.summary().as_deref(), Some(expected));
        assert!(shed.totals().any(|total| total == ("bodies", 2)));
    }
}
