//! Strict JSON: an object that repeats a name is refused, since readers disagree on which value counts.

use std::fmt;

use deserr::{IntoValue, Map, Value, ValueKind};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

/// JSON value whose objects keep the order of their fields and repeat no name.
#[derive(Clone, Debug, PartialEq)]
pub enum StrictJson {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// Whole number that is not negative.
    Integer(u64),
    /// Negative whole number.
    NegativeInteger(i64),
    /// Other number.
    Float(f64),
    /// Text.
    String(String),
    /// Values.
    Array(Vec<StrictJson>),
    /// Names and values.
    Object(Fields),
}

/// Fields of an object, in their order in the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields(Vec<(String, StrictJson)>);

impl StrictJson {
    /// Creates an object; its names must differ.
    pub fn object(fields: impl Iterator<Item = (String, Self)>) -> Self {
        Self::Object(Fields(fields.collect()))
    }
}

impl<'de> Deserialize<'de> for StrictJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = StrictJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<StrictJson, E> {
        Ok(StrictJson::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<StrictJson, E> {
        Ok(u64::try_from(value).map_or(StrictJson::NegativeInteger(value), StrictJson::Integer))
    }

    fn visit_u64<E>(self, value: u64) -> Result<StrictJson, E> {
        Ok(StrictJson::Integer(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<StrictJson, E> {
        Ok(StrictJson::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<StrictJson, E> {
        Ok(StrictJson::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<StrictJson, E> {
        Ok(StrictJson::String(value))
    }

    fn visit_unit<E>(self) -> Result<StrictJson, E> {
        Ok(StrictJson::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<StrictJson, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(StrictJson::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<StrictJson, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        if let Some(name) = repeated(&fields) {
            return Err(A::Error::custom(format_args!("field {name:?} is given more than once")));
        }
        Ok(StrictJson::Object(Fields(fields)))
    }
}

/// Returns a name that occurs more than once.
fn repeated(fields: &[(String, StrictJson)]) -> Option<&str> {
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.array_windows().find(|[name, next]| name == next).map(|[name, _]| *name)
}

impl IntoValue for StrictJson {
    type Sequence = Vec<Self>;
    type Map = Fields;

    fn kind(&self) -> ValueKind {
        match self {
            Self::Null => ValueKind::Null,
            Self::Boolean(_) => ValueKind::Boolean,
            Self::Integer(_) => ValueKind::Integer,
            Self::NegativeInteger(_) => ValueKind::NegativeInteger,
            Self::Float(_) => ValueKind::Float,
            Self::String(_) => ValueKind::String,
            Self::Array(_) => ValueKind::Sequence,
            Self::Object(_) => ValueKind::Map,
        }
    }

    fn into_value(self) -> Value<Self> {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(value),
            Self::Integer(value) => Value::Integer(value),
            Self::NegativeInteger(value) => Value::NegativeInteger(value),
            Self::Float(value) => Value::Float(value),
            Self::String(value) => Value::String(value),
            Self::Array(values) => Value::Sequence(values),
            Self::Object(fields) => Value::Map(fields),
        }
    }
}

impl Map for Fields {
    type Value = StrictJson;
    type Iter = std::vec::IntoIter<(String, StrictJson)>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn remove(&mut self, key: &str) -> Option<StrictJson> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    fn into_iter(self) -> Self::Iter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn only_a_repeated_name_is_read_otherwise_than_by_serde_json() {
        for json in [r#"{"a":[1,-2,0.5,true,null,"x",{"b":{}}]}"#, "[]", "\"\\u00e9\"", "1e3"] {
            let strict: StrictJson = serde_json::from_str(json).unwrap();
            assert_eq!(
                Value::from(strict.into_value()),
                serde_json::from_str::<Value>(json).unwrap()
            );
        }
        for json in [r#"{"a":1,"a":1}"#, r#"[{"b":{"c":1,"d":2,"c":3}}]"#, "1e400", "NaN"] {
            assert!(serde_json::from_str::<StrictJson>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn fields_keep_their_order_in_the_document() {
        let json: StrictJson = serde_json::from_str(r#"{"b":1,"c":2,"a":3}"#).unwrap();
        let StrictJson::Object(mut fields) = json else { panic!("no object") };
        assert_eq!(fields.remove("c"), Some(StrictJson::Integer(2)));
        assert_eq!(fields.remove("c"), None);
        let names: Vec<_> = fields.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["b", "a"]);
    }
}

#[cfg(test)]
pub mod properties {
    use proptest::{collection::vec, prelude::*};
    use serde_json::Value;

    use super::*;

    /// Generates any JSON, a few levels deep.
    pub fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (-3..1000_i64).prop_map(Value::from),
            "(?s).{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 32, 6, |inner| {
            let names = prop_oneof!["[a-c]", "(?s).{0,5}"];
            let fields = vec((names, inner.clone()), 0..6);
            prop_oneof![
                vec(inner, 0..6).prop_map(Value::from),
                fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_is_read_as_by_serde_json(value in json()) {
            let text = value.to_string();
            let strict: StrictJson = serde_json::from_str(&text).unwrap();
            let usual = serde_json::from_str::<Value>(&text).unwrap();
            prop_assert_eq!(Value::from(strict.into_value()), usual);
        }

        #[test]
        fn a_repeated_name_is_refused_at_any_depth(
            name in "(?s).{0,5}",
            (one, other) in (json(), json()),
            depth in 0..5_usize,
        ) {
            let name = Value::from(name);
            let (open, close) = ("[{\"in\":".repeat(depth), "}]".repeat(depth));
            let text = format!("{open}{{{name}:{one},\"a name between\":0,{name}:{other}}}{close}");
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
            prop_assert!(serde_json::from_str::<StrictJson>(&text).is_err());
        }

        #[test]
        fn nothing_else_is_refused(
            text in prop_oneof![r#"[\[\]{}":,0-2ab eE.\\-]{0,24}"#, "(?s).*"],
        ) {
            let strict = serde_json::from_str::<StrictJson>(&text);
            match (strict, serde_json::from_str::<Value>(&text)) {
                (Ok(strict), Ok(usual)) => prop_assert_eq!(Value::from(strict.into_value()), usual),
                (Err(error), Ok(_)) => {
                    prop_assert!(error.to_string().contains("given more than once"));
                }
                (strict, Err(_)) => prop_assert!(strict.is_err()),
            }
        }
    }
}
