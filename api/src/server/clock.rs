//! System clock, read nowhere else.

use chrono::{DateTime, Utc};

/// Returns the current time.
#[expect(clippy::disallowed_methods, reason = "the clock is read here and passed on from here")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
