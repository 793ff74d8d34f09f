//! Domain types in request bodies: each is read from JSON, and refused for the reason that the domain gives.

use std::fmt;

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use entity::Money;
use serde::{
    Deserialize,
    de::{IntoDeserializer, value::Error},
};
use service::domain::{AddressNumber, Description, Name, NamePrefix, Price, Quantity};

use super::field_errors::FieldErrors;

/// Id of an entity in a request body: greater than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityId(i64);

impl EntityId {
    /// Returns the id.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for EntityId {
    type Error = String;

    fn try_from(id: i64) -> Result<Self, String> {
        if id > 0 {
            return Ok(Self(id));
        }
        Err(format!("must be a whole number from 1 to {}", i64::MAX))
    }
}

/// Implements `Deserr` for each type by a function.
macro_rules! deserr_by {
    ($read:ident: $($type:ty),+) => {$(
        impl Deserr<FieldErrors> for $type {
            fn deserialize_from_value<V: IntoValue>(
                value: Value<V>,
                location: ValuePointerRef<'_>,
            ) -> Result<Self, FieldErrors> {
                $read(value, location)
            }
        }
    )+};
}

deserr_by!(text: Name, NamePrefix, Description);
deserr_by!(number: Quantity, AddressNumber, EntityId);
deserr_by!(price: Price);

fn text<T, V>(value: Value<V>, location: ValuePointerRef<'_>) -> Result<T, FieldErrors>
where
    T: TryFrom<String, Error: fmt::Display>,
    V: IntoValue,
{
    let text = String::deserialize_from_value(value, location)?;
    T::try_from(text).map_err(|error| FieldErrors::at(location, error.to_string()))
}

/// Any value that is no whole number is read as the least one, so that the reason names the range of `T`.
fn number<T, V>(value: Value<V>, location: ValuePointerRef<'_>) -> Result<T, FieldErrors>
where
    T: TryFrom<i64, Error: fmt::Display>,
    V: IntoValue,
{
    let number = whole_number(&value).unwrap_or(i64::MIN);
    T::try_from(number).map_err(|error| FieldErrors::at(location, error.to_string()))
}

/// Any value that is no amount is read as a negative one, so that the reason names the range of a price.
fn price<V: IntoValue>(
    value: Value<V>,
    location: ValuePointerRef<'_>,
) -> Result<Price, FieldErrors> {
    let amount = money(&value).unwrap_or(Money::from_cents(-1));
    Price::try_from(amount).map_err(|error| FieldErrors::at(location, error.to_string()))
}

/// Returns a whole number, which may be written `2.0`.
pub fn whole_number<V: IntoValue>(value: &Value<V>) -> Option<i64> {
    match *value {
        Value::Integer(number) => i64::try_from(number).ok(),
        Value::NegativeInteger(number) => Some(number),
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(number as i64),
        _ => None,
    }
}

fn money<V: IntoValue>(value: &Value<V>) -> Option<Money> {
    match *value {
        Value::Integer(units) => Money::deserialize(deserializer(units)).ok(),
        Value::Float(units) => Money::deserialize(deserializer(units)).ok(),
        _ => None,
    }
}

fn deserializer<'de, T: IntoDeserializer<'de, Error>>(value: T) -> T::Deserializer {
    value.into_deserializer()
}

#[cfg(test)]
mod properties {
    use deserr::deserialize;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::extract::strict_json::properties::json;

    fn read<T: Deserr<FieldErrors>>(value: Json) -> Option<T> {
        deserialize(value).ok()
    }

    proptest! {
        #[test]
        fn a_whole_number_may_be_written_with_a_point(number in -9_000_000_000..9_000_000_000_i64) {
            let written: Json = serde_json::from_str(&format!("{number}.0")).unwrap();
            prop_assert_eq!(whole_number(&written.into_value()), Some(number));
        }

        #[test]
        fn amounts_are_read_as_by_serde(value in prop_oneof![json(), (0.0..1e4).prop_map(Json::from)]) {
            let expected = serde_json::from_value::<Money>(value.clone());
            prop_assert_eq!(read::<Price>(value).map(Price::get), expected.ok());
        }

        #[test]
        fn numbers_are_within_their_ranges(number: i64) {
            prop_assert_eq!(read(json!(number)).map(EntityId::get), (number > 0).then_some(number));
            let quantity = read(json!(number)).map(|quantity: Quantity| i64::from(quantity.get()));
            let valid = (1..=i64::from(i32::MAX)).contains(&number);
            prop_assert_eq!(quantity, valid.then_some(number));
        }
    }
}
