//! Moments in paths and queries.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, Utc};
use serde::{Deserialize, Deserializer, de};

/// A moment as a caller writes it: RFC 3339 with an offset, without one (then UTC), or a date (then
/// its midnight, UTC). Cut to the microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub DateTime<Utc>);

/// The text is no moment between the years 1 and 9999.
#[derive(Debug, PartialEq, Eq)]
pub struct NotATime;

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time is written as 2024-03-18, 2024-03-18T10:30:00 or 2024-03-18T10:30:00Z")
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let moment = with_offset(text).or_else(|| naive(text)).or_else(|| midnight(text));
        let moment = moment.ok_or(NotATime)?.trunc_subsecs(6);
        let leap_second = moment.timestamp_subsec_micros() >= 1_000_000;
        if leap_second || !(1..=9999).contains(&moment.year()) {
            return Err(NotATime);
        }
        Ok(Self(moment))
    }
}

fn with_offset(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc())
}

fn naive(text: &str) -> Option<DateTime<Utc>> {
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let moment = formats.iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok());
    moment.map(|moment| moment.and_utc())
}

fn midnight(text: &str) -> Option<DateTime<Utc>> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_time(NaiveTime::MIN).and_utc())
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_writing_a_moment_means_utc() {
        for (text, expected) in [
            ("2024-03-18", "2024-03-18T00:00:00Z"),
            ("2024-03-18T10:30", "2024-03-18T10:30:00Z"),
            ("2024-03-18T10:30:00", "2024-03-18T10:30:00Z"),
            ("2024-03-18T10:30:00Z", "2024-03-18T10:30:00Z"),
            ("2024-03-18T16:00:00+05:30", "2024-03-18T10:30:00Z"),
            ("2024-03-17T23:30:00-11:00", "2024-03-18T10:30:00Z"),
            ("2024-03-18T10:30:00.1234567Z", "2024-03-18T10:30:00.123456Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z"),
        ] {
            let expected = DateTime::parse_from_rfc3339(expected).unwrap();
            assert_eq!(text.parse(), Ok(Timestamp(expected.to_utc())), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "today",
            "2023-02-29",
            "2024-13-01",
            "2024-03-18T25:00:00",
            "18.03.2024",
            "10000-01-01",
            "0000-01-01",
            "2024-03-18T10:30:00+99:00",
            "2024-03-18 or so",
            "1e9",
            "2016-12-31T23:59:60Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime), "{text}");
        }
    }
}
