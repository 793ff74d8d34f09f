//! Times that every database can store.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// First microsecond of the year 1, UTC.
pub const FIRST_TIME: NaiveDateTime = match NaiveDate::from_ymd_opt(1, 1, 1) {
    Some(day) => day.and_time(NaiveTime::MIN),
    None => NaiveDateTime::MIN,
};

/// Last microsecond of the year 9999, UTC.
pub const LAST_TIME: NaiveDateTime = match NaiveDate::from_ymd_opt(9999, 12, 31) {
    Some(day) => match day.and_hms_micro_opt(23, 59, 59, 999_999) {
        Some(time) => time,
        None => NaiveDateTime::MAX,
    },
    None => NaiveDateTime::MAX,
};

/// Returns whether every driver can encode the time: it is in the years 1 to 9999 and not within a leap second.
#[must_use]
pub fn is_storable(time: NaiveDateTime) -> bool {
    (FIRST_TIME..=LAST_TIME).contains(&time) && time.nanosecond() < 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_years_1_to_9999_are_storable() {
        let time = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        for storable in
            ["0001-01-01T00:00:00", "2024-03-18T10:30:00.123456", "9999-12-31T23:59:59.999999"]
        {
            assert!(is_storable(time(storable)), "{storable}");
        }
        for other in [
            "0000-12-31T23:59:59.999999",
            "-0001-06-01T00:00:00",
            "+10000-01-01T00:00:00",
            "2016-12-31T23:59:60",
            "+262142-12-31T23:59:59",
        ] {
            assert!(!is_storable(time(other)), "{other}");
        }
        assert_eq!(FIRST_TIME, time("0001-01-01T00:00:00"));
        assert_eq!(LAST_TIME, time("9999-12-31T23:59:59.999999"));
    }
}
