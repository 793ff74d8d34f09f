//! Ids in paths.

use std::{
    future::{Ready, ready},
    num::IntErrorKind,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::StatusCode};
use utoipa::IntoParams;

use crate::respond::problem::Problem;

/// Id in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct Id {
    /// Id of the resource.
    #[param(minimum = 1, example = 1)]
    pub id: i64,
}

impl FromRequest for Id {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.match_info().query("id")).map(|id| Self { id }))
    }
}

fn parse(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => {
            Problem::new(StatusCode::NOT_FOUND, "no id is that large")
        }
        _ => Problem::bad_request("id must be a whole number"),
    })
}

#[cfg(test)]
mod properties {
    use actix_web::ResponseError;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_id_is_read(id: i64) {
            prop_assert_eq!(parse(&id.to_string()).unwrap(), id);
        }

        #[test]
        fn a_number_that_is_too_large_is_404_and_any_other_text_400(
            text in prop_oneof!["[+-]?[0-9]{1,40}", "[+-]?[0-9]{0,3}.", "(?s).*"],
        ) {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            match parse(&text) {
                Ok(_) => prop_assert!(is_number),
                Err(problem) => {
                    let expected = if is_number { 404 } else { 400 };
                    prop_assert_eq!(problem.status_code().as_u16(), expected);
                }
            }
        }
    }
}
