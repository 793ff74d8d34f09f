//! Bodies of requests.

use std::{future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, dev::Payload, http::StatusCode, web::Bytes,
};
use service::{api_keys::Caller, idempotency::IdempotencyKey, version::digest};
use utoipa::IntoParams;

use crate::{
    fields::{self, FromFields},
    limits::Limits,
    problem::Problem,
    strict_json::Strict,
};

/// The header of a `POST`.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes the header")]
pub struct IdempotencyHeader {
    /// Chosen by the caller: the same request with the same key is carried out once.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$",
        example = "0b6ec0ac-6e4f-4d2a-9c1c-3f0a4f0b8a57"
    )]
    idempotency_key: Option<String>,
}

/// A JSON body, checked field by field, with the request's `Idempotency-Key`.
pub struct Body<T> {
    /// What was sent.
    pub value: T,
    /// What tells a repeated request.
    pub key: Option<IdempotencyKey>,
}

impl<T: FromFields + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let bytes = Bytes::from_request(&request, payload);
        Box::pin(async move {
            check_content_type(&request)?;
            let patience = Limits::of(&request)?.body_timeout;
            let bytes = match actix_web::rt::time::timeout(patience, bytes).await {
                Ok(bytes) => bytes.map_err(|error| too_large_or_broken(&error))?,
                Err(_) => {
                    return Err(Problem::new(
                        StatusCode::REQUEST_TIMEOUT,
                        "the body took too long",
                    ));
                }
            };
            let key = idempotency_key(&request, &bytes)?;
            let Strict(value) = serde_json::from_slice(&bytes)
                .map_err(|error| Problem::bad_request(format!("the body is not JSON: {error}")))?;
            let value = fields::read(&value).map_err(Problem::invalid)?;
            Ok(Self { value, key })
        })
    }
}

fn check_content_type(request: &HttpRequest) -> Result<(), Problem> {
    let mime = request.mime_type().ok().flatten();
    let json = mime.is_some_and(|mime| {
        mime.type_() == "application"
            && (mime.subtype() == "json" || mime.suffix().is_some_and(|suffix| suffix == "json"))
    });
    if json {
        return Ok(());
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

fn too_large_or_broken(error: &actix_web::Error) -> Problem {
    Problem::new(error.as_response_error().status_code(), error.to_string())
}

/// 1 to 255 visible ASCII characters, as in
/// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>.
fn idempotency_key(request: &HttpRequest, body: &[u8]) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(header) = request.headers().get("idempotency-key") else { return Ok(None) };
    let several = request.headers().get_all("idempotency-key").nth(1).is_some();
    let key = header.to_str().unwrap_or_default();
    if several
        || !(1..=255).contains(&key.len())
        || !key.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(Problem::bad_request(
            "there is one Idempotency-Key, of 1 to 255 visible ASCII characters",
        ));
    }
    let time_to_live = Limits::of(request)?.key_time_to_live();
    let mut asked = format!("{} {}\n", request.method(), request.path()).into_bytes();
    asked.extend_from_slice(body);
    let extensions = request.extensions();
    let caller = extensions.get::<Caller>();
    Ok(Some(IdempotencyKey {
        caller: caller.map_or_else(String::new, |caller| caller.id.clone()),
        key: key.to_owned(),
        fingerprint: digest(&asked),
        time_to_live,
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
        fn a_key_is_visible_ascii_and_not_too_long(
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
