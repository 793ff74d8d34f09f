//! Quantities, prices and the numbers of an address.

use entity::Money;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{KnownFormat, Schema, SchemaFormat, Type},
    },
};

use super::InvalidValue;

/// Number of pieces of one item in an order line: 1 to 2,147,483,647.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity(i32);

impl Quantity {
    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for Quantity {
    type Error = InvalidValue;

    fn try_from(number: i64) -> Result<Self, InvalidValue> {
        at_least(1, number).map(Self)
    }
}

/// Flat number or post code: 0 to 2,147,483,647.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressNumber(i32);

impl AddressNumber {
    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for AddressNumber {
    type Error = InvalidValue;

    fn try_from(number: i64) -> Result<Self, InvalidValue> {
        at_least(0, number).map(Self)
    }
}

/// Price of an item: 0 to [`Money::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price(Money);

impl Price {
    /// Returns the amount.
    #[must_use]
    pub const fn get(self) -> Money {
        self.0
    }
}

impl TryFrom<Money> for Price {
    type Error = InvalidValue;

    fn try_from(amount: Money) -> Result<Self, InvalidValue> {
        if amount.is_valid() {
            return Ok(Self(amount));
        }
        let limits = format!("must be a number from 0 to {} with at most two decimals", Money::MAX);
        Err(InvalidValue::new(limits))
    }
}

fn at_least(least: i32, number: i64) -> Result<i32, InvalidValue> {
    i32::try_from(number).ok().filter(|number| *number >= least).ok_or_else(|| {
        InvalidValue::new(format!("must be a whole number from {least} to {}", i32::MAX))
    })
}

impl PartialSchema for Quantity {
    fn schema() -> RefOr<Schema> {
        integer_schema(1)
    }
}

impl ToSchema for Quantity {}

impl PartialSchema for AddressNumber {
    fn schema() -> RefOr<Schema> {
        integer_schema(0)
    }
}

impl ToSchema for AddressNumber {}

fn integer_schema(least: i32) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
        .minimum(Some(least))
        .maximum(Some(i32::MAX))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_their_range_are_refused() {
        for number in [1, 2, i64::from(i32::MAX)] {
            assert_eq!(i64::from(Quantity::try_from(number).unwrap().get()), number);
        }
        for number in [0, -5, i64::from(i32::MAX) + 1, i64::MIN] {
            assert!(Quantity::try_from(number).is_err(), "{number}");
        }
        assert!(AddressNumber::try_from(0).is_ok());
        assert!(AddressNumber::try_from(-1).is_err());
        assert!(Price::try_from(Money::from_cents(0)).is_ok());
        assert!(Price::try_from(Money::from_cents(-1)).is_err());
        assert!(Price::try_from(Money::from_cents(Money::MAX.cents() + 1)).is_err());
    }
}
