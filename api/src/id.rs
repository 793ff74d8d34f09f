//! Ids in paths.

use std::{
    future::{Ready, ready},
    num::IntErrorKind,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::StatusCode};

use crate::problem::Problem;

/// The `{id}` of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub i64);

impl FromRequest for Id {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.match_info().query("id")).map(Self))
    }
}

fn parse(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => {
            Problem::new(StatusCode::NOT_FOUND, "no id is that large")
        }
        _ => Problem::bad_request("an id is a whole number"),
    })
}
