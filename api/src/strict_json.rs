//! JSON in which no name stands twice: readers would not agree on which value counts.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// A [`Value`] without repeated names.
pub struct Strict(pub Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
        Ok(Strict(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Strict(Value::Array(array)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Strict, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = fields.next_entry::<String, Strict>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the field {name:?} stands twice")));
            }
            object.insert(name, value);
        }
        Ok(Strict(Value::Object(object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_repeats_a_name_reads_otherwise_than_usual() {
        for json in [r#"{"a":[1,-2,0.5,true,null,"x",{"b":{}}]}"#, "[]", "\"\\u00e9\"", "1e3"] {
            let Strict(value) = serde_json::from_str(json).unwrap();
            assert_eq!(value, serde_json::from_str::<Value>(json).unwrap());
        }
        for json in [r#"{"a":1,"a":1}"#, r#"[{"b":{"c":1,"d":2,"c":3}}]"#, "1e400", "NaN"] {
            assert!(serde_json::from_str::<Strict>(json).is_err(), "{json}");
        }
    }
}

#[cfg(test)]
pub mod properties {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Any JSON, a few levels deep.
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
        fn json_reads_as_usual(value in json()) {
            let text = value.to_string();
            let Strict(read) = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read, serde_json::from_str::<Value>(&text).unwrap());
        }

        #[test]
        fn a_name_that_stands_twice_is_refused_wherever_it_is(
            name in "(?s).{0,5}",
            (one, other) in (json(), json()),
            depth in 0..5_usize,
        ) {
            let name = Value::from(name);
            let (open, close) = ("[{\"in\":".repeat(depth), "}]".repeat(depth));
            let text = format!("{open}{{{name}:{one},\"a name between\":0,{name}:{other}}}{close}");
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
            prop_assert!(serde_json::from_str::<Strict>(&text).is_err());
        }

        #[test]
        fn nothing_else_is_refused(
            text in prop_oneof![r#"[\[\]{}":,0-2ab eE.\\-]{0,24}"#, "(?s).*"],
        ) {
            match (serde_json::from_str::<Strict>(&text), serde_json::from_str::<Value>(&text)) {
                (Ok(Strict(strict)), Ok(usual)) => prop_assert_eq!(strict, usual),
                (Err(error), Ok(_)) => prop_assert!(error.to_string().contains("stands twice")),
                (strict, Err(_)) => prop_assert!(strict.is_err()),
            }
        }
    }
}
