//! The one place that reads the clock.

use chrono::{DateTime, Utc};

/// This moment.
#[expect(clippy::disallowed_methods, reason = "here it is read, everywhere else passed in")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
