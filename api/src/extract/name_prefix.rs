//! Query parameter `name`.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use deserr::Deserr;
use service::domain::NamePrefix;
use utoipa::{
    IntoParams, PartialSchema,
    openapi::path::{Parameter, ParameterBuilder, ParameterIn},
};

use super::{field_errors::FieldErrors, query};
use crate::respond::problem::Problem;

/// Start of the names that the query asks for.
pub struct NamePrefixQuery(pub Option<NamePrefix>);

#[derive(Deserr)]
#[deserr(error = FieldErrors)]
struct Parameters {
    #[deserr(default, from(NamePrefix) = Some)]
    name: Option<NamePrefix>,
}

impl FromRequest for NamePrefixQuery {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parameters = query::read(request.query_string());
        ready(parameters.map(|Parameters { name }| Self(name)))
    }
}

impl IntoParams for NamePrefixQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            ParameterBuilder::new()
                .name("name")
                .parameter_in(ParameterIn::Query)
                .description(Some("Start of the name, case-sensitive; all rows by default."))
                .schema(Some(NamePrefix::schema()))
                .build(),
        ]
    }
}
