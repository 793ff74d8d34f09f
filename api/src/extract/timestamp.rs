//! Times in paths and queries.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveTime, SubsecRound, Utc};
use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::{Deserialize, Deserializer, de};
use service::domain::{FIRST_TIME, LAST_TIME};

use super::field_errors::FieldErrors;

/// Time in one of the accepted forms, truncated to the microsecond.
///
/// Accepted are RFC 3339 with an offset, the same without an offset (UTC), and a date (its midnight, UTC). Date and
/// time may be separated by a space, as the tutorial does; a query may write it as `+`, and so may a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub DateTime<Utc>);

/// Error for text that is no time between the years 1 and 9999.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidTime;

impl fmt::Display for InvalidTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "must be written as 2024-03-18, 2024-03-18 10:30:00, 2024-03-18T10:30:00 or \
             2024-03-18T10:30:00Z",
        )
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let written = with_offset(text).or_else(|| naive(text)).or_else(|| midnight(text));
        let written = written.ok_or(InvalidTime)?.trunc_subsecs(6);
        let leap_second = written.timestamp_subsec_micros() >= 1_000_000;
        if leap_second || !(1..=9999).contains(&written.year()) {
            return Err(InvalidTime);
        }
        // With its offset the time may fall into the year 0 or 10000, for which no database has a value.
        Ok(Self(written.to_utc().clamp(FIRST_TIME.and_utc(), LAST_TIME.and_utc())))
    }
}

fn with_offset(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text).ok()
}

fn naive(text: &str) -> Option<DateTime<FixedOffset>> {
    let (date, time) = text.split_once(['T', ' ', '+'])?;
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let formats = ["%H:%M:%S%.f", "%H:%M"];
    let time = formats.iter().find_map(|format| NaiveTime::parse_from_str(time, format).ok())?;
    Some(date.and_time(time).and_utc().fixed_offset())
}

fn midnight(text: &str) -> Option<DateTime<FixedOffset>> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_time(NaiveTime::MIN).and_utc().fixed_offset())
}

/// Reads a query parameter.
impl Deserr<FieldErrors> for Timestamp {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, FieldErrors> {
        let text = String::deserialize_from_value(value, location)?;
        text.parse().map_err(|error: InvalidTime| FieldErrors::at(location, error.to_string()))
    }
}

/// Reads a segment of a path.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = text.parse();
        time.map_err(|error: InvalidTime| de::Error::custom(format_args!("a time {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_accepted_form_is_read_as_utc() {
        for (text, expected) in [
            ("2024-03-18", "2024-03-18T00:00:00Z"),
            ("2024-03-18T10:30", "2024-03-18T10:30:00Z"),
            ("2024-03-18T10:30:00", "2024-03-18T10:30:00Z"),
            ("2024-03-18T10:30:00Z", "2024-03-18T10:30:00Z"),
            ("2024-03-18 10:30", "2024-03-18T10:30:00Z"),
            ("2024-03-18 10:30:00", "2024-03-18T10:30:00Z"),
            ("2024-03-18 10:30:00.25", "2024-03-18T10:30:00.25Z"),
            ("2024-03-18 10:30:00Z", "2024-03-18T10:30:00Z"),
            ("2024-03-18 16:00:00+05:30", "2024-03-18T10:30:00Z"),
            ("2024-03-18+10:30:00", "2024-03-18T10:30:00Z"),
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
    fn any_other_text_is_refused() {
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
            "2024-03-18 ",
            "2024-03-18-10:30:00",
            "2024-03-18\t10:30:00",
            "2024-03-18 10:30:00 Z",
            "1e9",
            "2016-12-31T23:59:60Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTime), "{text}");
        }
    }
}

#[cfg(test)]
mod properties {
    use chrono::{SecondsFormat, TimeDelta, Timelike};
    use proptest::{prelude::*, string::string_regex};

    use super::*;

    /// Generates times, a day short of both ends, so that no offset leads beyond them.
    fn times() -> impl Strategy<Value = DateTime<Utc>> {
        let (first, last) = (FIRST_TIME.and_utc(), LAST_TIME.and_utc());
        let day = TimeDelta::days(1);
        ((first + day).timestamp_micros()..(last - day).timestamp_micros())
            .prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
    }

    /// Generates text, some of which looks like a time.
    fn texts() -> impl Strategy<Value = String> {
        let date = "[+-]?[0-9]{1,6}-[0-9]{1,2}-[0-9]{1,2}";
        let time = "[T +][0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}([.][0-9]{1,10})?)?";
        let offset = "Z|[+-][0-9]{2}:[0-9]{2}";
        let alike = string_regex(&format!("{date}({time}({offset})?)?")).unwrap();
        prop_oneof![alike, "[0-9TZ:.+ -]{0,40}", "(?s).*"]
    }

    proptest! {
        #[test]
        fn a_time_is_read_as_written_at_any_offset(time in times(), minutes in -1439..=1439) {
            let offset = FixedOffset::east_opt(minutes * 60).unwrap();
            let text = time.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::Micros, false);
            prop_assert_eq!(text.parse(), Ok(Timestamp(time)), "{}", text);
        }

        #[test]
        fn without_an_offset_it_is_utc(time in times()) {
            for format in ["%Y-%m-%dT%H:%M:%S%.6f", "%Y-%m-%d %H:%M:%S%.6f"] {
                let text = time.format(format).to_string();
                prop_assert_eq!(text.parse(), Ok(Timestamp(time)), "{}", text);
            }
            let (date, midnight) = (time.format("%Y-%m-%d").to_string(), NaiveTime::MIN);
            let expected = time.date_naive().and_time(midnight).and_utc();
            prop_assert_eq!(date.parse(), Ok(Timestamp(expected)), "{}", date);
        }

        #[test]
        fn whatever_is_read_fits_every_database(text in texts()) {
            if let Ok(Timestamp(time)) = text.parse() {
                prop_assert!((1..=9999).contains(&time.year()), "{}", time);
                prop_assert_eq!(time.nanosecond() % 1000, 0);
                prop_assert!(time.nanosecond() < 1_000_000_000, "a leap second: {}", text);
            }
        }
    }
}
