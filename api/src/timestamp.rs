//! Moments in paths and queries.

use std::{fmt, str::FromStr};

use chrono::{
    DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, Utc,
};
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
        let written = with_offset(text).or_else(|| naive(text)).or_else(|| midnight(text));
        let written = written.ok_or(NotATime)?.trunc_subsecs(6);
        let leap_second = written.timestamp_subsec_micros() >= 1_000_000;
        if leap_second || !(1..=9999).contains(&written.year()) {
            return Err(NotATime);
        }
        // An offset may lead into a neighbouring year, in which there is nothing.
        let (first, last) = bounds().ok_or(NotATime)?;
        Ok(Self(written.to_utc().clamp(first, last)))
    }
}

/// The first and the last microsecond of the years 1 to 9999.
fn bounds() -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let first = NaiveDate::from_ymd_opt(1, 1, 1)?.and_time(NaiveTime::MIN).and_utc();
    let last = NaiveDate::from_ymd_opt(9999, 12, 31)?.and_hms_micro_opt(23, 59, 59, 999_999)?;
    Some((first, last.and_utc()))
}

fn with_offset(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text).ok()
}

fn naive(text: &str) -> Option<DateTime<FixedOffset>> {
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let moment = formats.iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok());
    moment.map(|moment| moment.and_utc().fixed_offset())
}

fn midnight(text: &str) -> Option<DateTime<FixedOffset>> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_time(NaiveTime::MIN).and_utc().fixed_offset())
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
            ("0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.999999Z"),
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

#[cfg(test)]
mod properties {
    use chrono::{SecondsFormat, TimeDelta, Timelike};
    use proptest::{prelude::*, string::string_regex};

    use super::*;

    /// A day short of both ends, so that no offset leads beyond them.
    fn moments() -> impl Strategy<Value = DateTime<Utc>> {
        let (first, last) = bounds().unwrap();
        let day = TimeDelta::days(1);
        ((first + day).timestamp_micros()..(last - day).timestamp_micros())
            .prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
    }

    /// What looks like a moment, and what does not.
    fn texts() -> impl Strategy<Value = String> {
        let date = "[+-]?[0-9]{1,6}-[0-9]{1,2}-[0-9]{1,2}";
        let time = "T[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}([.][0-9]{1,10})?)?";
        let offset = "Z|[+-][0-9]{2}:[0-9]{2}";
        let alike = string_regex(&format!("{date}({time}({offset})?)?")).unwrap();
        prop_oneof![alike, "[0-9TZ:.+ -]{0,40}", "(?s).*"]
    }

    proptest! {
        #[test]
        fn a_moment_is_read_as_written_at_any_offset(moment in moments(), minutes in -1439..=1439) {
            let offset = FixedOffset::east_opt(minutes * 60).unwrap();
            let text = moment.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::Micros, false);
            prop_assert_eq!(text.parse(), Ok(Timestamp(moment)), "{}", text);
        }

        #[test]
        fn without_an_offset_it_is_utc(moment in moments()) {
            let text = moment.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
            prop_assert_eq!(text.parse(), Ok(Timestamp(moment)), "{}", text);
            let (date, midnight) = (moment.format("%Y-%m-%d").to_string(), NaiveTime::MIN);
            let expected = moment.date_naive().and_time(midnight).and_utc();
            prop_assert_eq!(date.parse(), Ok(Timestamp(expected)), "{}", date);
        }

        #[test]
        fn whatever_is_read_fits_every_database(text in texts()) {
            if let Ok(Timestamp(moment)) = text.parse() {
                prop_assert!((1..=9999).contains(&moment.year()), "{}", moment);
                prop_assert_eq!(moment.nanosecond() % 1000, 0);
                prop_assert!(moment.nanosecond() < 1_000_000_000, "a leap second: {}", text);
            }
        }
    }
}
