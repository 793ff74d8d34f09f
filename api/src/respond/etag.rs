//! Answers with one resource and its entity tag (RFC 9110).

use actix_web::{
    HttpResponse,
    http::header::{ETAG, LOCATION},
};
use serde::Serialize;
use service::{idempotency::Created, version::Version};

use super::{parts, problem::Problem};
use crate::extract::preconditions::IfNoneMatch;

/// Answers with the resource and its tag.
pub fn with_etag(resource: &impl Serialize) -> Result<HttpResponse, Problem> {
    let (json, version) = to_json(resource)?;
    Ok(ok(json, &version))
}

/// Answers with the resource and its tag, or with 304 if the client has this version.
pub fn unless_match(
    if_none_match: &IfNoneMatch,
    resource: &impl Serialize,
) -> Result<HttpResponse, Problem> {
    let (json, version) = to_json(resource)?;
    if if_none_match.matches(&version) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, quoted(&version))).finish());
    }
    Ok(ok(json, &version))
}

/// Answers 201 with the created resource, its location in the collection, and its tag.
pub fn created(collection: &str, created: Created) -> HttpResponse {
    let Created { id, body, replayed } = created;
    let mut answer = HttpResponse::Created();
    answer
        .insert_header((LOCATION, format!("{collection}/{id}")))
        .insert_header((ETAG, quoted(&Version::of_json(body.as_bytes()))));
    if replayed {
        answer.insert_header(("idempotency-replayed", "true"));
    }
    answer.content_type("application/json").body(parts::body(body))
}

fn to_json(resource: &impl Serialize) -> Result<(String, Version), Problem> {
    let json = serde_json::to_string(resource).map_err(service::Error::from)?;
    let version = Version::of_json(json.as_bytes());
    Ok((json, version))
}

fn ok(json: String, version: &Version) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((ETAG, quoted(version)))
        .content_type("application/json")
        .body(parts::body(json))
}

fn quoted(version: &Version) -> String {
    format!("\"{}\"", version.as_str())
}
