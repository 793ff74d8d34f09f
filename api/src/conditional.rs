//! Answers with an entity tag, and requests that depend on one (RFC 9110, section 13).

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, LOCATION},
    },
};
use serde::Serialize;
use service::{
    idempotency::Created,
    version::{Precondition, Version},
};

use utoipa::IntoParams;

use crate::problem::Problem;

/// The header of a `GET` of one resource.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes the header")]
pub struct IfNoneMatchHeader {
    /// The entity tags of what the caller has.
    #[param(rename = "If-None-Match", min_length = 1)]
    if_none_match: Option<String>,
}

/// The header of a `PATCH` or `DELETE`.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes the header")]
pub struct IfMatchHeader {
    /// The entity tag of what is to be changed or removed.
    #[param(rename = "If-Match", min_length = 1)]
    if_match: Option<String>,
}

/// The resource with its tag.
pub fn whole(resource: &impl Serialize) -> Result<HttpResponse, Problem> {
    let (json, version) = written(resource)?;
    Ok(ok(json, &version))
}

/// The resource with its tag, or 304 where the caller has it already.
pub fn tagged(request: &HttpRequest, resource: &impl Serialize) -> Result<HttpResponse, Problem> {
    let (json, version) = written(resource)?;
    let is_this = |tag: &String| {
        tag == "*" || unquoted(tag.trim_start_matches("W/")) == Some(version.as_str())
    };
    if tags(request, &IF_NONE_MATCH)?.is_some_and(|tags| tags.iter().any(is_this)) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, quoted(&version))).finish());
    }
    Ok(ok(json, &version))
}

fn written(resource: &impl Serialize) -> Result<(String, Version), Problem> {
    let json = serde_json::to_string(resource).map_err(service::Error::from)?;
    let version = Version::of_json(json.as_bytes());
    Ok((json, version))
}

fn ok(json: String, version: &Version) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((ETAG, quoted(version))).content_type("application/json").body(json)
}

/// 201 with the resource, where it is, and its tag.
pub fn created(collection: &str, created: Created) -> HttpResponse {
    let Created { id, body, replayed } = created;
    let mut answer = HttpResponse::build(StatusCode::CREATED);
    answer
        .insert_header((LOCATION, format!("{collection}/{id}")))
        .insert_header((ETAG, quoted(&Version::of_json(body.as_bytes()))));
    if replayed {
        answer.insert_header(("idempotency-replayed", "true"));
    }
    answer.content_type("application/json").body(body)
}

/// What `If-Match` asks for. A weak tag matches nothing.
pub fn precondition(request: &HttpRequest) -> Result<Precondition, Problem> {
    let Some(tags) = tags(request, &IF_MATCH)? else { return Ok(Precondition::None) };
    if tags.iter().any(|tag| tag == "*") {
        return Ok(Precondition::None);
    }
    Ok(Precondition::OneOf(
        tags.iter().filter_map(|tag| unquoted(tag)).map(str::to_owned).collect(),
    ))
}

/// The list in the header; our tags contain no comma. What is no tag is that of no resource.
fn tags(request: &HttpRequest, name: &HeaderName) -> Result<Option<Vec<String>>, Problem> {
    let mut tags = Vec::new();
    for value in request.headers().get_all(name) {
        if value.is_empty() {
            return Err(Problem::bad_request(format!("{name} is * or a list of entity tags")));
        }
        let text = value.to_str().unwrap_or_default();
        tags.extend(text.split(',').map(|tag| tag.trim().to_owned()));
    }
    Ok(request.headers().contains_key(name).then_some(tags))
}

fn quoted(version: &Version) -> String {
    format!("\"{}\"", version.as_str())
}

fn unquoted(tag: &str) -> Option<&str> {
    tag.strip_prefix('"')?.strip_suffix('"')
}
