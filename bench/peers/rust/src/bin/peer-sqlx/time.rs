//! Clock, and times in paths.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, Utc};

use crate::error::{Error, Result};

/// Returns the current time, truncated to microseconds.
#[expect(clippy::disallowed_methods, reason = "the only place that reads the clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// Parses a time: RFC 3339 with an offset, without one (UTC), or a date (midnight UTC).
pub fn parse(text: &str) -> Result<NaiveDateTime> {
    let with_offset = || DateTime::parse_from_rfc3339(text).map(|time| time.naive_utc());
    let date = || text.parse::<NaiveDate>().map(|date| date.and_time(NaiveTime::MIN));
    let time = with_offset().or_else(|_| text.parse()).or_else(|_| date());
    Ok(time.map_err(|_| Error::Invalid)?.trunc_subsecs(6))
}
