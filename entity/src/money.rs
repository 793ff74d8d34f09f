//! Amounts of money: whole cents in the database, numbers with at most two decimals in JSON.

use std::fmt;

use sea_orm::DeriveValueType;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Amount in cents, stored as `BIGINT`; `Money::from_cents(1050)` is `10.5` in JSON.
///
/// Amounts of the service are from 0 to [`Money::MAX`]. Rows written by other programs may hold more, hence
/// [`Money::is_valid`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, DeriveValueType)]
pub struct Money(i64);

impl Money {
    /// 9,999,999,999,999.99: fifteen digits, which a double, and so every JSON reader, keeps unchanged.
    pub const MAX: Self = Self(999_999_999_999_999);

    /// Makes an amount of `cents`.
    #[must_use]
    pub const fn from_cents(cents: i64) -> Self {
        Self(cents)
    }

    /// Returns the amount in cents.
    #[must_use]
    pub const fn cents(self) -> i64 {
        self.0
    }

    /// Returns whether the amount is from 0 to [`Money::MAX`].
    #[must_use]
    pub fn is_valid(self) -> bool {
        (Self(0)..=Self::MAX).contains(&self)
    }

    /// Returns the sum; `None` if it is out of range.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self).filter(|sum| sum.is_valid())
    }

    /// Returns the amount multiplied by `quantity`; `None` if it is out of range.
    #[must_use]
    pub fn times(self, quantity: i32) -> Option<Self> {
        self.0.checked_mul(quantity.into()).map(Self).filter(|product| product.is_valid())
    }
}

/// Writes `10.50`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 100 == 0 {
            serializer.serialize_i64(self.0 / 100)
        } else {
            serializer.serialize_f64(as_double(self.0))
        }
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MoneyVisitor)
    }
}

struct MoneyVisitor;

impl de::Visitor<'_> for MoneyVisitor {
    type Value = Money;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number from 0 to {} with at most two decimals", Money::MAX)
    }

    fn visit_u64<E: de::Error>(self, units: u64) -> Result<Money, E> {
        i64::try_from(units)
            .ok()
            .and_then(|units| units.checked_mul(100))
            .map(Money)
            .filter(|money| money.is_valid())
            .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(units), &self))
    }

    fn visit_i64<E: de::Error>(self, units: i64) -> Result<Money, E> {
        match u64::try_from(units) {
            Ok(units) => self.visit_u64(units),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(units), &self)),
        }
    }

    fn visit_f64<E: de::Error>(self, units: f64) -> Result<Money, E> {
        let refused = || E::invalid_value(de::Unexpected::Float(units), &self);
        if !(0.0..=as_double(Money::MAX.0)).contains(&units) {
            return Err(refused());
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most fifteen digits")]
        let cents = (units * 100.0).round() as i64;
        // Within fifteen digits each amount has one double, so equality means "no third decimal".
        #[expect(clippy::float_cmp, reason = "exact on purpose")]
        let exact = as_double(cents) == units;
        exact.then_some(Money(cents)).ok_or_else(refused)
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to Money::MAX")]
fn as_double(cents: i64) -> f64 {
    cents as f64 / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<i64> {
        serde_json::from_str::<Money>(json).ok().map(Money::cents)
    }

    #[test]
    fn it_is_written_as_a_number_with_at_most_two_decimals() {
        for (cents, json) in [(0, "0"), (500, "5"), (1050, "10.5"), (1, "0.01"), (29, "0.29")] {
            assert_eq!(serde_json::to_string(&Money(cents)).unwrap(), json);
        }
        assert_eq!(serde_json::to_string(&Money::MAX).unwrap(), "9999999999999.99");
    }

    #[test]
    fn what_is_written_reads_back_unchanged() {
        let samples = (0..2_000_000).step_by(7);
        let large = (0..1000).map(|below| Money::MAX.0 - below);
        for cents in samples.chain(large) {
            let json = serde_json::to_string(&Money(cents)).unwrap();
            assert_eq!(read(&json), Some(cents), "{json}");
        }
    }

    #[test]
    fn numbers_that_are_no_amount_are_refused() {
        let refused = [
            "10.555",
            "0.001",
            "-0.01",
            "-1",
            "1e15",
            "1e400",
            "10000000000000",
            "999999999999.991",
            "18446744073709551615",
            "NaN",
            "\"1\"",
            "null",
            "true",
            "[1]",
        ];
        for json in refused {
            assert_eq!(read(json), None, "{json}");
        }
        assert_eq!(read("1e2"), Some(10_000));
        assert_eq!(read("10.50"), Some(1050));
    }

    #[test]
    fn arithmetic_stays_within_the_valid_range() {
        assert_eq!(Money(1050).times(2), Some(Money(2100)));
        assert_eq!(Money::MAX.times(2), None);
        assert_eq!(Money(i64::MAX).times(i32::MAX), None);
        assert_eq!(Money::MAX.plus(Money(1)), None);
        assert_eq!(Money(1).plus(Money(2)), Some(Money(3)));
        assert_eq!(Money(1).times(-1), None);
    }

    #[test]
    fn people_read_two_decimals() {
        assert_eq!(Money(1050).to_string(), "10.50");
        assert_eq!(Money(-5).to_string(), "-0.05");
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Option<Money> {
        serde_json::from_str(json).ok()
    }

    proptest! {
        #[test]
        fn every_amount_comes_back(cents in 0..=Money::MAX.0) {
            let json = serde_json::to_string(&Money(cents)).unwrap();
            prop_assert_eq!(read(&json), Some(Money(cents)));
        }

        #[test]
        fn an_amount_is_read_as_people_write_it(cents in 0..=Money::MAX.0, zeros in 0..12_usize) {
            let json = format!("{}{}", Money(cents), "0".repeat(zeros));
            prop_assert_eq!(read(&json), Some(Money(cents)), "{}", json);
        }

        // Fifteen digits in all: beyond, a double does not tell one amount from the next.
        #[test]
        fn a_third_decimal_is_refused(cents in 0..=Money::MAX.0 / 10, third in 1..=9) {
            let json = format!("{}{third}", Money(cents));
            prop_assert_eq!(read(&json), None, "{}", json);
        }

        #[test]
        fn no_other_number_is_an_amount(number in prop_oneof![any::<f64>(), 0.0..1e13]) {
            if let Some(money) = read(&number.to_string()) {
                prop_assert!(money.is_valid());
                prop_assert!(as_double(money.0) - number == 0.0, "{money} for {number}");
            }
        }

        #[test]
        fn arithmetic_is_right_or_refused(one: i64, other: i64, quantity: i32) {
            let valid = |cents: i128| i64::try_from(cents).ok().map(Money).filter(|m| m.is_valid());
            let (a, b, n) = (i128::from(one), i128::from(other), i128::from(quantity));
            prop_assert_eq!(Money(one).plus(Money(other)), valid(a + b));
            prop_assert_eq!(Money(one).times(quantity), valid(a * n));
        }
    }
}
