//! Registry of routes: a route that is not described cannot be added, and a described one accepts no other query
//! parameters than those described.

use std::{collections::BTreeMap, rc::Rc};

use actix_web::{
    FromRequest, Handler, Resource, Responder,
    body::BoxBody,
    dev::ServiceRequest,
    http::Method,
    middleware::{Next, from_fn},
    web::{self, ServiceConfig},
};
use utoipa::openapi::{
    Components, OpenApi, RefOr,
    path::{Operation, ParameterIn},
};
use utoipa_actix_web::OpenApiFactory;

use crate::{
    middleware::{
        limits::request_timeout,
        query_parameters::{self, QueryParameters},
    },
    openapi,
};

/// Routes with their description.
pub struct Routes {
    resources: BTreeMap<String, (Resource, QueryParameters)>,
    document: OpenApi,
}

impl Routes {
    /// Creates a registry without routes.
    pub fn new() -> Self {
        Self { resources: BTreeMap::new(), document: openapi::empty() }
    }

    /// Adds the route that `description`, the `__path_…` of `handler`, describes.
    pub fn add<D, F, Args>(mut self, description: D, handler: F) -> Self
    where
        D: OpenApiFactory,
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let mut schemas = Vec::new();
        description.schemas(&mut schemas);
        let components = self.document.components.get_or_insert_with(Components::new);
        components.schemas.extend(schemas);
        for (path, mut item) in description.paths().paths {
            let (mut resource, mut parameters) = self
                .resources
                .remove(&path)
                .unwrap_or_else(|| (web::resource(path.as_str()), QueryParameters::default()));
            for (method, operation) in openapi::operations(&mut item) {
                resource = resource.route(web::method(method.clone()).to(handler.clone()));
                if method == Method::GET {
                    resource = resource.route(web::head().to(handler.clone()));
                }
                parameters.add(method, query_parameters(operation));
            }
            self.resources.insert(path.clone(), (resource, parameters));
            self.document.paths.paths.entry(path).or_default().merge_operations(item);
        }
        self
    }

    /// Serves the routes.
    pub fn configure(self, config: &mut ServiceConfig) {
        for (resource, parameters) in self.resources.into_values() {
            let parameters = Rc::new(parameters);
            let check = move |request: ServiceRequest, next: Next<BoxBody>| {
                query_parameters::check(Rc::clone(&parameters), request, next)
            };
            config.service(resource.wrap(from_fn(check)).wrap(from_fn(request_timeout)));
        }
    }

    /// Returns the OpenAPI document.
    pub fn into_document(self) -> OpenApi {
        openapi::complete(self.document)
    }
}

/// Returns the names of the query parameters of an operation.
fn query_parameters(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    let in_query = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => {
            Some(parameter.name.clone())
        }
        _ => None,
    });
    in_query.collect()
}
