//! Query parameter `expand`.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use deserr::Deserr;
use service::orders::Expand;
use utoipa::{
    IntoParams,
    openapi::{
        Object, ObjectBuilder,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::Type,
    },
};

use super::{field_errors::FieldErrors, query};
use crate::respond::problem::Problem;

/// Relations that the query asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpandQuery(pub Expand);

#[derive(Deserr)]
#[deserr(error = FieldErrors)]
struct Parameters {
    #[deserr(default)]
    expand: Option<String>,
}

impl FromRequest for ExpandQuery {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

fn parse(query: &str) -> Result<Expand, Problem> {
    let Parameters { expand: relations } = query::read(query)?;
    let mut expand = Expand::default();
    for relation in relations.iter().flat_map(|relations| relations.split(',')) {
        if !expand.add(relation) {
            let known = Expand::KNOWN.join(", ");
            return Err(Problem::bad_request(format!("expand must be a list of {known}")));
        }
    }
    Ok(expand)
}

impl IntoParams for ExpandQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let known = Expand::KNOWN.map(|name| format!("`{name}`")).join(", ");
        let description =
            format!("Relations to load beside the lines, separated by commas: {known}.");
        vec![
            ParameterBuilder::new()
                .name("expand")
                .parameter_in(ParameterIn::Query)
                .description(Some(description))
                .schema(Some(schema()))
                .build(),
        ]
    }
}

fn schema() -> Object {
    let one = format!("({})", Expand::KNOWN.join("|").replace('.', "\\."));
    let pattern = format!("^{one}(,{one})*$");
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_relations_are_expanded_and_no_others() {
        assert_eq!(parse("limit=3").unwrap(), Expand::default());
        let all = Expand { customer: true, address: true, item: true };
        assert_eq!(parse("expand=items.item,customer.address").unwrap(), all);
        for query in ["expand=", "expand=address", "expand=customer,", "expand=customer%20"] {
            assert!(parse(query).is_err(), "{query}");
        }
    }
}
