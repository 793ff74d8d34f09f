//! Query parameters, read by the same derive as bodies.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use deserr::{Deserr, IntoValue, Value, ValuePointerRef};

use super::{field_errors::FieldErrors, strict_json::StrictJson};
use crate::respond::problem::Problem;

/// Query parameters.
pub struct Query<T>(pub T);

impl<T: Deserr<FieldErrors>> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request.query_string()).map(Self))
    }
}

/// Reads the parameters that `T` has; the others are for other extractors, since the registry of routes has checked all
/// names.
pub fn read<T: Deserr<FieldErrors>>(query: &str) -> Result<T, Problem> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    let fields = pairs.into_inner().into_iter();
    let query = StrictJson::object(fields.map(|(name, text)| (name, StrictJson::String(text))));
    deserr::deserialize(query).map_err(|FieldErrors { listed, .. }| {
        let errors = listed.iter().map(|error| {
            let name = error.pointer.trim_start_matches('/');
            format!("{name} {}", error.detail)
        });
        Problem::bad_request(errors.collect::<Vec<_>>().join("; "))
    })
}

/// Number in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(pub i64);

impl Deserr<FieldErrors> for Number {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, FieldErrors> {
        let text = String::deserialize_from_value(value, location)?;
        let number = text.parse().map(Self);
        number.map_err(|_| FieldErrors::at(location, "must be a whole number"))
    }
}

/// Parses the parameter `limit`: 1 to `max`, `default` if it is not given.
pub fn parse_limit(text: Option<&str>, default: u64, max: u64) -> Result<u64, Problem> {
    let limit = text.map_or(Ok(default), str::parse).ok();
    let limit = limit.filter(|limit| (1..=max).contains(limit));
    limit.ok_or_else(|| Problem::bad_request(format!("limit must be between 1 and {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::timestamp::Timestamp;

    #[derive(Debug, Deserr)]
    #[deserr(error = FieldErrors)]
    struct Parameters {
        from: Timestamp,
        #[deserr(default, from(Number) = Some)]
        id: Option<Number>,
    }

    #[test]
    fn parameters_are_decoded_and_those_of_others_ignored() {
        let query = "from=2024-03-18+10%3A30%3A00&limit=1&id=-7";
        let Parameters { from, id } = read(query).unwrap();
        assert_eq!(from, "2024-03-18T10:30:00Z".parse().unwrap());
        assert_eq!(id, Some(Number(-7)));
        assert_eq!(read::<Parameters>("from=2024-03-18%2010:30").unwrap().from, from);
    }

    #[test]
    fn all_errors_are_told_with_the_names_of_the_parameters() {
        let detail = |query| read::<Parameters>(query).unwrap_err().to_string();
        assert_eq!(detail(""), "from is missing");
        assert_eq!(
            detail("id=1.5&from=now"),
            "id must be a whole number; from must be written as 2024-03-18, 2024-03-18 10:30:00, \
             2024-03-18T10:30:00 or 2024-03-18T10:30:00Z"
        );
    }

    #[test]
    fn a_limit_is_a_number_within_its_range() {
        assert_eq!(parse_limit(None, 50, 100).unwrap(), 50);
        assert_eq!(parse_limit(Some("100"), 50, 100).unwrap(), 100);
        for text in ["0", "101", "-1", "", "ten", "1.0", "18446744073709551616"] {
            let detail = parse_limit(Some(text), 50, 100).unwrap_err().to_string();
            assert_eq!(detail, "limit must be between 1 and 100", "{text}");
        }
    }
}
