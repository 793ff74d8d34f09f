//! Bodies of requests that may be repeated: with an optional `Idempotency-Key`.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use deserr::Deserr;
use service::{api_keys::Caller, idempotency::IdempotencyKey, version::digest};
use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Required,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::Type,
    },
};

use super::{
    field_errors::FieldErrors,
    json_body::{parse, receive},
};
use crate::{respond::problem::Problem, server::limits::Limits};

/// Greatest length of a key.
const MAX_BYTES: usize = 255;

/// JSON body with the request's `Idempotency-Key`: a request that is repeated with the same key is carried out once.
pub struct Idempotent<T> {
    /// Body.
    pub body: T,
    /// Key chosen by the client.
    pub key: Option<IdempotencyKey>,
}

impl<T: Deserr<FieldErrors> + 'static> FromRequest for Idempotent<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = receive(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let bytes = bytes.await?;
            let key = idempotency_key(&request, &bytes)?;
            Ok(Self { body: parse(&bytes)?, key })
        })
    }
}

impl<T> IntoParams for Idempotent<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(MAX_BYTES))
            .pattern(Some("^[!-~]+$"));
        let description = "Key chosen by the client: a request that is repeated with the same key is carried \
                           out once.";
        vec![
            ParameterBuilder::new()
                .name("Idempotency-Key")
                .parameter_in(ParameterIn::Header)
                .required(Required::False)
                .description(Some(description))
                .schema(Some(key.build()))
                .example(Some("0b6ec0ac-6e4f-4d2a-9c1c-3f0a4f0b8a57".into()))
                .build(),
        ]
    }
}

/// Returns the key: 1 to [`MAX_BYTES`] visible ASCII characters, as in
/// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>.
fn idempotency_key(request: &HttpRequest, body: &[u8]) -> Result<Option<IdempotencyKey>, Problem> {
    let mut headers = request.headers().get_all("idempotency-key");
    let Some(header) = headers.next() else { return Ok(None) };
    let key = header.to_str().unwrap_or_default();
    if headers.next().is_some()
        || !(1..=MAX_BYTES).contains(&key.len())
        || !key.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(Problem::bad_request(
            "Idempotency-Key must be given once and have 1 to 255 visible ASCII characters",
        ));
    }
    let mut fingerprint = format!("{} {}\n", request.method(), request.path()).into_bytes();
    fingerprint.extend_from_slice(body);
    let extensions = request.extensions();
    let caller = extensions.get::<Caller>();
    Ok(Some(IdempotencyKey {
        caller: caller.map_or_else(String::new, |caller| caller.id.clone()),
        key: key.to_owned(),
        fingerprint: digest(&fingerprint),
        time_to_live: Limits::of(request)?.key_time_to_live(),
    }))
}

#[cfg(test)]
mod properties {
    use actix_web::{http::header::HeaderValue, test::TestRequest, web::Data};
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        limits: Limits,
    }

    fn read(keys: &[&str], body: &[u8]) -> Result<Option<IdempotencyKey>, Problem> {
        let limits = Options::parse_from(["serve"]).limits;
        let mut request = TestRequest::post().uri("/api/v1/orders").app_data(Data::new(limits));
        for key in keys {
            let value = HeaderValue::from_bytes(key.as_bytes()).unwrap();
            request = request.append_header(("Idempotency-Key", value));
        }
        idempotency_key(&request.to_http_request(), body)
    }

    proptest! {
        #[test]
        fn a_key_is_visible_ascii_of_limited_length(
            key in prop_oneof!["[!-~]{0,3}", "[!-~]{250,260}", "[ -~é\t]{0,20}"],
        ) {
            let is_key = (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
            match read(&[&key], b"{}") {
                Ok(read) => prop_assert!(is_key && read.unwrap().key == key),
                Err(_) => prop_assert!(!is_key),
            }
            let twice = read(&[&key, &key], b"{}");
            prop_assert!(twice.is_err());
        }

        #[test]
        fn requests_are_told_apart_by_their_bodies(one: Vec<u8>, other: Vec<u8>) {
            let fingerprint = |body: &[u8]| read(&["key"], body).unwrap().unwrap().fingerprint;
            prop_assert_eq!(fingerprint(&one) == fingerprint(&other), one == other);
        }
    }
}
