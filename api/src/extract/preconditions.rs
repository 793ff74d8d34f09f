//! Conditional requests: `If-Match` and `If-None-Match` (RFC 9110, section 13).

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH},
};
use service::version::{Precondition, Version};
use utoipa::IntoParams;

use crate::respond::problem::Problem;

/// Header `If-None-Match` of a `GET`.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfNoneMatch {
    /// Entity tags of the versions that the client has.
    #[param(rename = "If-None-Match", value_type = Option<String>, min_length = 1)]
    tags: Vec<String>,
}

impl IfNoneMatch {
    /// Returns whether the client has this version; weak tags count.
    pub fn matches(&self, version: &Version) -> bool {
        self.tags.iter().any(|tag| {
            tag == "*" || unquoted(tag.trim_start_matches("W/")) == Some(version.as_str())
        })
    }
}

impl FromRequest for IfNoneMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(tags(request, &IF_NONE_MATCH).map(|tags| Self { tags: tags.unwrap_or_default() }))
    }
}

/// Header `If-Match` of a `PATCH` or `DELETE`.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfMatch {
    /// Entity tag of the version to change or delete.
    #[param(rename = "If-Match", value_type = Option<String>, min_length = 1)]
    pub precondition: Precondition,
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(tags(request, &IF_MATCH).map(|tags| Self { precondition: precondition(tags) }))
    }
}

/// Returns the condition that the tags state; a weak tag matches nothing.
fn precondition(tags: Option<Vec<String>>) -> Precondition {
    match tags {
        None => Precondition::None,
        Some(tags) if tags.iter().any(|tag| tag == "*") => Precondition::None,
        Some(tags) => Precondition::OneOf(
            tags.iter().filter_map(|tag| unquoted(tag)).map(str::to_owned).collect(),
        ),
    }
}

/// Returns the members of the list in the header. Splitting at commas is enough, since the tags of this server hold
/// none; a malformed tag matches no resource.
fn tags(request: &HttpRequest, name: &HeaderName) -> Result<Option<Vec<String>>, Problem> {
    let mut tags = Vec::new();
    for value in request.headers().get_all(name) {
        if value.is_empty() {
            return Err(Problem::bad_request(format!("{name} must be * or a list of entity tags")));
        }
        let text = value.to_str().unwrap_or_default();
        tags.extend(text.split(',').map(|tag| tag.trim().to_owned()));
    }
    Ok(request.headers().contains_key(name).then_some(tags))
}

fn unquoted(tag: &str) -> Option<&str> {
    tag.strip_prefix('"')?.strip_suffix('"')
}
