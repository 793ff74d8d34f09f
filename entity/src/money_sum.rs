//! Sums of amounts: exact for any number of rows, beyond [`Money::MAX`] and beyond 64 bits.

use std::fmt;

use sea_orm::{
    DbBackend, ExprTrait,
    sea_query::{Expr, Func, SimpleExpr},
};
use serde::{Serialize, Serializer, ser::Error as _};

use crate::{Money, order_items::integer_type};

/// Number of bits of the low part.
const LOW_BITS: i64 = 32;
const LOW_MASK: i64 = (1 << LOW_BITS) - 1;

/// Greatest number up to which a double represents each whole number.
const MAX_EXACT: u128 = 1 << f64::MANTISSA_DIGITS;

/// Sum of amounts, in cents; in JSON the double nearest to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MoneySum(i128);

impl MoneySum {
    /// Makes a sum of `cents`.
    #[must_use]
    pub const fn from_cents(cents: i128) -> Self {
        Self(cents)
    }

    /// Makes a sum of the two columns of [`parts`].
    #[must_use]
    pub fn from_parts(high: i64, low: i64) -> Self {
        Self((i128::from(high) << LOW_BITS) + i128::from(low))
    }

    /// Returns the sum in cents.
    #[must_use]
    pub const fn cents(self) -> i128 {
        self.0
    }
}

impl From<Money> for MoneySum {
    fn from(money: Money) -> Self {
        Self(money.cents().into())
    }
}

impl std::ops::Add for MoneySum {
    type Output = Self;

    /// Adds: 64 bits of rows of 64 bits each do not reach the limit.
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Writes `10.50`.
impl fmt::Display for MoneySum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl Serialize for MoneySum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let units = self.0 / 100;
        match i64::try_from(units) {
            Ok(whole) if self.0 % 100 == 0 && units.unsigned_abs() <= MAX_EXACT => {
                serializer.serialize_i64(whole)
            }
            // A division by 100.0 would round twice beyond 53 bits; the parser rounds once.
            _ => serializer.serialize_f64(self.to_string().parse().map_err(S::Error::custom)?),
        }
    }
}

/// SQL expressions of the sum of `cents` over the rows of a group, for [`MoneySum::from_parts`]; `cents` must not be
/// negative. No rows are a null.
///
/// A sum of `BIGINT` overflows on SQLite, and a cast to `BIGINT` elsewhere. The sums of the upper and the lower 32 bits
/// have room for 2³¹ rows of any amount.
#[must_use]
pub fn parts(cents: SimpleExpr, backend: DbBackend) -> [SimpleExpr; 2] {
    let high = cents.clone().right_shift(Expr::Constant(LOW_BITS.into()));
    let low = cents.bit_and(Expr::Constant(LOW_MASK.into()));
    [high, low].map(|part| Func::sum(part).cast_as(integer_type(backend)))
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    fn json(cents: i128) -> String {
        serde_json::to_string(&MoneySum(cents)).unwrap()
    }

    /// Sums of all magnitudes.
    fn sums() -> impl Strategy<Value = i128> {
        (any::<i128>(), 1..=126_u32).prop_map(|(bits, shift)| bits >> shift)
    }

    #[test]
    fn a_sum_is_written_as_a_number() {
        for (cents, expected) in [
            (0, "0"),
            (500, "5"),
            (1050, "10.5"),
            (-5, "-0.05"),
            (2_999_999_999_999_997, "29999999999999.97"),
            (1 << 53, "90071992547409.92"),
            (900_719_925_474_099_200, "9007199254740992"),
            // 2^63 cents: MariaDB answers 2^63 - 1 for a cast of anything greater.
            (1 << 63, "9.223372036854776e+16"),
            (9_999_999_999_999_990_000, "9.99999999999999e+16"),
        ] {
            assert_eq!(json(cents), expected, "{cents}");
        }
    }

    proptest! {
        #[test]
        fn the_number_is_the_double_nearest_to_the_exact_sum(cents in sums()) {
            let exact = MoneySum(cents).to_string();
            let written: f64 = json(cents).parse().unwrap();
            let nearest: f64 = exact.parse().unwrap();
            prop_assert_eq!(written.to_bits(), nearest.to_bits(), "{}", exact);
        }

        // Doubles of this range are multiples of 2 to 2^24, so distances in cents are exact integers.
        #[test]
        fn no_other_double_is_nearer(cents in 100_i128 << 53..100_i128 << 77) {
            let written: f64 = json(cents).parse().unwrap();
            #[expect(clippy::cast_possible_truncation, reason = "whole and less than 2^78")]
            let distance = |double: f64| (double as i128 * 100 - cents).abs();
            prop_assert!(distance(written) <= distance(written.next_up()));
            prop_assert!(distance(written) <= distance(written.next_down()));
        }

        #[test]
        fn the_parts_add_up(amounts in prop::collection::vec(0..=i64::MAX, 0..100)) {
            let high = amounts.iter().map(|cents| cents >> LOW_BITS).sum();
            let low = amounts.iter().map(|cents| cents & LOW_MASK).sum();
            let sum = amounts.iter().copied().map(i128::from).sum();
            prop_assert_eq!(MoneySum::from_parts(high, low), MoneySum(sum));
        }
    }
}
