//! JSON bodies of requests.

use std::{future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::{
        StatusCode,
        header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue},
    },
    web::Bytes,
};
use deserr::Deserr;

use super::{body, field_errors::FieldErrors, strict_json::StrictJson};
use crate::respond::problem::Problem;

/// JSON body, read field by field.
pub struct JsonBody<T>(pub T);

impl<T: Deserr<FieldErrors> + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = receive(request, payload);
        Box::pin(async move { Ok(Self(parse(&bytes.await?)?)) })
    }
}

/// Receives a body that is JSON in UTF-8 and not compressed, within the limits for its size and time.
pub fn receive(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Bytes, Problem>> + use<> {
    let acceptable = check_content_type(request)
        .and_then(|()| check_content_encoding(request))
        .and_then(|()| body::receive(request, payload));
    async move { acceptable?.await }
}

/// Reads a body and reports all errors in its fields at once.
pub fn parse<T: Deserr<FieldErrors>>(body: &[u8]) -> Result<T, Problem> {
    let json: StrictJson = serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("cannot read the JSON body: {error}")))?;
    deserr::deserialize(json)
        .map_err(|FieldErrors { listed, omitted }| Problem::invalid(listed).with_omitted(omitted))
}

fn check_content_type(request: &HttpRequest) -> Result<(), Problem> {
    let mime = request.mime_type().ok().flatten();
    let json = mime.as_ref().is_some_and(|mime| {
        mime.type_() == "application"
            && (mime.subtype() == "json" || mime.suffix().is_some_and(|suffix| suffix == "json"))
    });
    if json {
        let mut parameters = mime.as_ref().into_iter().flat_map(|mime| mime.params());
        if parameters.all(|(name, value)| name != "charset" || value == "utf-8") {
            return Ok(());
        }
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the charset of the body must be utf-8",
        ));
    }
    let headers = request.headers();
    let empty = headers.get("content-length").is_none_or(|length| length == "0");
    if empty && !headers.contains_key("transfer-encoding") {
        return Err(Problem::bad_request("the JSON body is missing"));
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "the body must be JSON, with Content-Type: application/json",
    ))
}

/// A compressed body would be read as if it were not (RFC 9110, section 15.5.16).
fn check_content_encoding(request: &HttpRequest) -> Result<(), Problem> {
    let is_identity = |value: &HeaderValue| {
        let codings = value.to_str().unwrap_or("?").split(',').map(str::trim);
        codings
            .into_iter()
            .all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
    };
    if request.headers().get_all(CONTENT_ENCODING).all(is_identity) {
        return Ok(());
    }
    let detail = "the body must not be compressed: Content-Encoding must be identity or absent";
    let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail);
    Err(problem.with_header(ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

#[cfg(test)]
mod properties {
    use deserr::{Deserr, deserialize};
    use entity::Money;
    use proptest::{collection::vec, prelude::*};
    use serde_json::{Value, json};
    use service::domain::{AddressNumber, Description, Name, Price, Quantity};

    use super::*;
    use crate::{
        extract::{domain::EntityId, field_errors::MAX_ERRORS, strict_json::properties::json},
        respond::problem::FieldError,
    };

    /// Body with a field of every kind.
    #[derive(Debug, PartialEq, Deserr)]
    #[deserr(error = FieldErrors, deny_unknown_fields)]
    struct Thing {
        id: EntityId,
        name: Name,
        #[deserr(default, from(Price) = Some)]
        price: Option<Price>,
        #[deserr(default, from(Option<Description>) = Some)]
        note: Option<Option<Description>>,
        #[deserr(default, from(Place) = Some)]
        place: Option<Place>,
        lines: Vec<Line>,
    }

    #[derive(Debug, PartialEq, Deserr)]
    #[deserr(error = FieldErrors, deny_unknown_fields)]
    struct Place {
        flat: AddressNumber,
    }

    #[derive(Debug, PartialEq, Deserr)]
    #[deserr(error = FieldErrors, deny_unknown_fields)]
    struct Line {
        quantity: Quantity,
    }

    fn read(body: &Value) -> Result<Thing, FieldErrors> {
        let body: StrictJson = serde_json::from_str(&body.to_string()).unwrap();
        deserialize(body)
    }

    /// Generates objects that have the right names, and often the wrong values.
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

    #[test]
    fn all_errors_are_told_at_once_in_document_order() {
        let body = r#"{"lines": [{"quantity": 0}, 7, {"quantity": 1, "a/b~c": 2}], "qty": 1, "name": null,
            "price": 10.555, "note": 1, "place": null, "id": "1"}"#;
        let body: StrictJson = serde_json::from_str(body).unwrap();
        let errors = deserialize::<Thing, _, _>(body).unwrap_err().listed;
        let errors: Vec<_> =
            errors.iter().map(|error| (error.pointer.as_str(), error.detail.as_str())).collect();
        assert_eq!(
            errors,
            [
                ("/lines/0/quantity", "must be a whole number from 1 to 2147483647"),
                ("/lines/1", "must be an object"),
                ("/lines/2/a~1b~0c", r#"unknown field "a/b~c""#),
                ("/qty", r#"unknown field "qty""#),
                ("/name", "must be a string"),
                ("/price", "must be a number from 0 to 9999999999999.99 with at most two decimals"),
                ("/note", "must be a string"),
                ("/place", "must be an object"),
                ("/id", "must be a whole number from 1 to 9223372036854775807"),
            ]
        );
    }

    #[test]
    fn the_number_of_errors_is_limited() {
        let lines = json!({"id": 1, "name": "x", "lines": vec![0; 100_000]});
        let errors = read(&lines).unwrap_err();
        assert_eq!((errors.listed.len(), errors.omitted), (MAX_ERRORS, 100_000 - MAX_ERRORS));
    }

    #[test]
    fn the_answer_to_a_large_invalid_body_is_short_and_counts_what_it_leaves_out() {
        let many = format!(r#"{{"x{}":1"#, "\u{fffd}".repeat(50));
        let many: Vec<_> = (0..1000).map(|n| many.replacen('x', &format!("x{n}"), 1)).collect();
        let many = format!("[{}}}]", many.join("},"));
        for (body, omitted) in [
            (format!(r#"{{"{}": 1}}"#, "k".repeat(250_000)), None),
            (
                format!(r#"{{"lines": {}}}"#, "[7]".replace('7', &vec!["7"; 120_000].join(","))),
                Some("119"),
            ),
            (format!(r#"{{"lines": {many}}}"#), Some(" further errors")),
            (format!(r#"{{"a{0}": 1, "a{0}": 1}}"#, "\\u0001".repeat(20_000)), None),
        ] {
            let problem = parse::<Thing>(body.as_bytes()).unwrap_err();
            let answer = problem.body("id");
            assert!(answer.len() < 64 * 1024, "{} bytes for {}", answer.len(), body.len());
            let expected = omitted.unwrap_or_default();
            assert!(problem.to_string().contains(expected), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn every_error_is_at_a_place_in_the_input(
            input in prop_oneof![json().boxed(), almost_things()],
        ) {
            let Err(FieldErrors { listed: errors, .. }) = read(&input) else { return Ok(()) };
            prop_assert!(!errors.is_empty());
            for FieldError { pointer, detail } in errors {
                let (parent, _) = pointer.rsplit_once('/').unwrap_or_default();
                let is_missing = input.pointer(parent).is_some_and(Value::is_object);
                let is_there = input.pointer(&pointer).is_some();
                let expected = if detail == "is missing" { !is_there && is_missing } else { is_there };
                prop_assert!(expected, "{pointer}: {detail} in {input}");
            }
        }

        #[test]
        fn valid_input_is_read(
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
            let number = |n: i32| i64::from(n);
            let line = |n| Line { quantity: Quantity::try_from(number(n)).unwrap() };
            let expected = Thing {
                id: EntityId::try_from(known).unwrap(),
                name: Name::try_from(given).unwrap(),
                price: price.map(|price| Price::try_from(price).unwrap()),
                note: note.map(|note| note.map(|note| Description::try_from(note).unwrap())),
                place: flat.map(|n| Place { flat: AddressNumber::try_from(number(n)).unwrap() }),
                lines: lines.into_iter().map(line).collect(),
            };
            prop_assert_eq!(read(&input), Ok(expected));
        }
    }
}
