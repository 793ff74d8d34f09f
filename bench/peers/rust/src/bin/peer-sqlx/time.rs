//! The clock, and moments in paths.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, Utc};

use crate::error::{Error, Result};

/// This moment, cut to the microsecond.
#[expect(clippy::disallowed_methods, reason = "here it is read, everywhere else passed in")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// A moment as a caller writes it: RFC 3339 with an offset, without one (then UTC), or a date.
pub fn parse(text: &str) -> Result<NaiveDateTime> {
    let with_offset = || DateTime::parse_from_rfc3339(text).map(|time| time.naive_utc());
    let date = || text.parse::<NaiveDate>().map(|date| date.and_time(NaiveTime::MIN));
    let time = with_offset().or_else(|_| text.parse()).or_else(|_| date());
    Ok(time.map_err(|_| Error::Invalid)?.trunc_subsecs(6))
}
