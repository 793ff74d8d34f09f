//! Ids in paths.

use std::{
    future::{Ready, ready},
    num::IntErrorKind,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::StatusCode};
use utoipa::IntoParams;

use crate::problem::Problem;

/// The `{id}` of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub i64);

/// How an [`Id`] is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes the path")]
pub struct IdPath {
    /// The id.
    #[param(minimum = 1, example = 1)]
    id: i64,
}

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
