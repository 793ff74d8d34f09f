//! Reading an object field by field, and saying everything that is wrong with it at once.

use std::ops::RangeInclusive;

use entity::Money;
use serde::Deserialize;
use serde_json::{Map, Value};
use service::Fault;

/// What can be read from a JSON object.
pub trait FromFields: Sized {
    /// Reads the fields it knows. `None` where one is missing or wrong, which `fields` has noted.
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self>;
}

/// The object being read.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    pointer: &'a str,
    known: Vec<&'static str>,
    faults: &'a mut Vec<Fault>,
}

/// Reads `value` whole; what it does not know is a fault too.
pub fn read<T: FromFields>(value: &Value) -> Result<T, Vec<Fault>> {
    let mut faults = Vec::new();
    let read = read_object(value, "", &mut faults, T::from_fields);
    match read {
        Some(value) if faults.is_empty() => Ok(value),
        _ => Err(faults),
    }
}

fn read_object<T>(
    value: &Value,
    pointer: &str,
    faults: &mut Vec<Fault>,
    read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Option<T> {
    let Value::Object(object) = value else {
        faults.push(Fault::new(pointer, "must be an object"));
        return None;
    };
    let mut fields = Fields { object, pointer, known: Vec::new(), faults };
    let read = read(&mut fields);
    let Fields { known, .. } = fields;
    for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
        let name = name.replace('~', "~0").replace('/', "~1");
        faults.push(Fault::new(format!("{pointer}/{name}"), "is not a known field"));
    }
    read
}

impl<'a> Fields<'a> {
    /// A field that must be there.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        self.demand(name);
        self.optional(name, read)
    }

    /// A field that may be left out.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.find(name)?;
        read(value).map_err(|detail| self.fault(name, detail)).ok()
    }

    /// A field that may be left out, or be `null`, which is not the same.
    pub fn nullable<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match self.find(name)? {
            Value::Null => Some(None),
            _ => self.optional(name, read).map(Some),
        }
    }

    /// An object that may be left out.
    pub fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        let pointer = format!("{}/{name}", self.pointer);
        let value = self.find(name)?;
        read_object(value, &pointer, self.faults, read)
    }

    /// An object that must be there.
    pub fn required_object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        self.demand(name);
        self.object(name, read)
    }

    /// A list of objects that must be there.
    pub fn required_list<T: FromFields>(
        &mut self,
        name: &'static str,
        length: RangeInclusive<usize>,
    ) -> Option<Vec<T>> {
        self.demand(name);
        let pointer = format!("{}/{name}", self.pointer);
        let Value::Array(items) = self.find(name)? else {
            self.fault(name, "must be an array".to_owned());
            return None;
        };
        if !length.contains(&items.len()) {
            let detail = format!("must have {} to {} entries", length.start(), length.end());
            self.fault(name, detail);
            return None;
        }
        let items = items.iter().enumerate().map(|(n, item)| {
            read_object(item, &format!("{pointer}/{n}"), self.faults, T::from_fields)
        });
        // Every item is read, whatever is wrong with those before.
        items.collect::<Vec<_>>().into_iter().collect()
    }

    fn find(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.object.get(name)
    }

    fn demand(&mut self, name: &'static str) {
        if !self.object.contains_key(name) {
            self.fault(name, "is missing".to_owned());
        }
    }

    fn fault(&mut self, name: &str, detail: String) {
        self.faults.push(Fault::new(format!("{}/{name}", self.pointer), detail));
    }
}

/// A name: 1 to 200 characters, none of them a control character, and no space at either end, which
/// nobody sees and MySQL does not mind.
pub fn name(value: &Value) -> Result<String, String> {
    let name = text(value, 200)?;
    if name.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if name.trim() != name {
        return Err("must not begin or end with a space".to_owned());
    }
    Ok(name)
}

/// At most so many characters, none of them a control character.
pub fn text(value: &Value, most: usize) -> Result<String, String> {
    let text = value.as_str().ok_or("must be a string")?;
    if text.chars().count() > most {
        return Err(format!("must have at most {most} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// A whole number in a range; `2.0` is one too.
pub fn integer(value: &Value, range: RangeInclusive<i64>) -> Result<i64, String> {
    let wrong = || format!("must be a whole number from {} to {}", range.start(), range.end());
    let whole = |number: f64| number.fract() == 0.0 && number.abs() < 9e15;
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
    let from_double = |value: &Value| value.as_f64().filter(|n| whole(*n)).map(|n| n as i64);
    let number = value.as_i64().or_else(|| from_double(value)).ok_or_else(wrong)?;
    if range.contains(&number) { Ok(number) } else { Err(wrong()) }
}

/// A whole number from 1 to 2,147,483,647.
pub fn positive(value: &Value) -> Result<i32, String> {
    at_least(1, value)
}

/// A whole number from 0 to 2,147,483,647.
pub fn natural(value: &Value) -> Result<i32, String> {
    at_least(0, value)
}

fn at_least(least: i64, value: &Value) -> Result<i32, String> {
    let number = integer(value, least..=i32::MAX.into())?;
    i32::try_from(number).map_err(|error| error.to_string())
}

/// An id.
pub fn id(value: &Value) -> Result<i64, String> {
    integer(value, 1..=i64::MAX)
}

/// An amount of money.
pub fn money(value: &Value) -> Result<Money, String> {
    let wrong = |_| format!("must be a number from 0 to {} with at most two decimals", Money::MAX);
    Money::deserialize(value).map_err(wrong)
}

#[cfg(test)]
mod properties {
    use proptest::{collection::vec, prelude::*};
    use serde_json::json;

    use super::*;
    use crate::strict_json::properties::json;

    /// Something of every kind.
    #[derive(Debug, PartialEq)]
    struct Thing {
        id: i64,
        name: String,
        price: Option<Money>,
        note: Option<Option<String>>,
        place: Option<i32>,
        lines: Vec<Line>,
    }

    #[derive(Debug, PartialEq)]
    struct Line(i32);

    impl FromFields for Thing {
        fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
            let known = fields.required("id", id);
            let name = fields.required("name", name);
            let price = fields.optional("price", money);
            let note = fields.nullable("note", |value| text(value, 20));
            let place = fields.object("place", |place| place.required("flat", natural));
            let lines = fields.required_list("lines", 1..=3);
            Some(Self { id: known?, name: name?, price, note, place, lines: lines? })
        }
    }

    impl FromFields for Line {
        fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
            fields.required("quantity", positive).map(Self)
        }
    }

    /// Objects that have the right names, and often the wrong values.
    fn almost_things() -> impl Strategy<Value = Value> {
        let names = "id|name|price|note|place|lines|flat|quantity|a/b|~";
        let object = |values: BoxedStrategy<Value>| {
            vec((names, values), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect()))
                .boxed()
        };
        let lines = vec(object(json().boxed()), 0..5).prop_map(Value::from);
        object(prop_oneof![json(), object(json().boxed()), lines].boxed())
    }

    proptest! {
        #[test]
        fn every_fault_is_at_a_place_in_the_input(
            input in prop_oneof![json().boxed(), almost_things()],
        ) {
            let Err(faults) = read::<Thing>(&input) else { return Ok(()) };
            prop_assert!(!faults.is_empty());
            for Fault { pointer, detail } in faults {
                let (parent, _) = pointer.rsplit_once('/').unwrap_or_default();
                let is_missing = input.pointer(parent).is_some_and(Value::is_object);
                let is_there = input.pointer(&pointer).is_some();
                let expected = if detail == "is missing" { !is_there && is_missing } else { is_there };
                prop_assert!(expected, "{pointer}: {detail} in {input}");
            }
        }

        #[test]
        fn what_is_right_is_read(
            known in 1..=i64::MAX,
            given in "[a-zé]([ -~]{0,198}[!-~])?",
            cents in proptest::option::of(0..=Money::MAX.cents()),
            note in proptest::option::of(proptest::option::of("[ -~]{0,20}")),
            flat in proptest::option::of(0..=i32::MAX),
            lines in vec(1..=i32::MAX, 1..=3),
        ) {
            let price = cents.map(Money::from_cents);
            let mut input = json!({"id": known, "name": given, "lines": []});
            input["lines"] = lines.iter().map(|n| json!({ "quantity": n })).collect();
            if let Some(price) = price {
                input["price"] = json!(price);
            }
            if let Some(note) = &note {
                input["note"] = json!(note);
            }
            if let Some(flat) = flat {
                input["place"] = json!({ "flat": flat });
            }
            let lines = lines.into_iter().map(Line).collect();
            let expected = Thing { id: known, name: given, price, note, place: flat, lines };
            prop_assert_eq!(read::<Thing>(&input), Ok(expected));
        }

        #[test]
        fn a_whole_number_may_be_written_with_a_point(number in -9_000_000_000..9_000_000_000_i64) {
            let written: Value = serde_json::from_str(&format!("{number}.0")).unwrap();
            prop_assert_eq!(integer(&written, i64::MIN..=i64::MAX), Ok(number));
        }
    }
}
