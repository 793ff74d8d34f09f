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
