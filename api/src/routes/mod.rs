//! Routes, one file for each resource.

mod customers;
mod docs;
mod exports;
mod health;
mod items;
mod orders;
mod registry;
mod reports;
mod tutorial;

use actix_web::web::ServiceConfig;
use registry::Routes;
use utoipa::openapi::OpenApi;

/// Adds all routes, and the pages that describe them.
pub fn configure(config: &mut ServiceConfig) {
    routes().configure(config);
    docs::configure(config, document());
}

/// Returns the OpenAPI document of the routes.
#[must_use]
pub fn document() -> OpenApi {
    routes().into_document()
}

fn routes() -> Routes {
    let routes = tutorial::add_to(Routes::new());
    let routes = customers::add_to(routes);
    let routes = items::add_to(routes);
    let routes = orders::add_to(routes);
    let routes = exports::add_to(reports::add_to(routes));
    health::add_to(routes)
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        http::{Method, StatusCode},
        test::{TestRequest, call_service, init_service},
        web::Data,
    };
    use clap::Parser;

    use super::*;
    use crate::{openapi::operations, respond::problem::Problem, server::limits::Limits};

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        limits: Limits,
    }

    #[actix_web::test]
    async fn an_unknown_query_parameter_is_refused_on_every_route_and_method() {
        let limits = Options::parse_from(["serve"]).limits;
        let app = init_service(App::new().app_data(Data::new(limits)).configure(configure)).await;
        let mut checked = 0;
        for (path, mut item) in document().paths.paths {
            let methods: Vec<Method> = operations(&mut item).map(|(method, _)| method).collect();
            let head = methods.contains(&Method::GET).then_some(Method::HEAD);
            for method in methods.into_iter().chain(head) {
                let uri = format!("{}?dry_run=true", path.replace(['{', '}'], ""));
                let request = TestRequest::with_uri(&uri).method(method.clone()).to_request();
                let response = call_service(&app, request).await;
                assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{method} {path}");
                let problem = Problem::of(response.response().error().unwrap());
                let expected = r#"unknown query parameter "dry_run""#;
                assert_eq!(problem.to_string(), expected, "{method} {path}");
                checked += 1;
            }
        }
        assert!(checked > 0, "no route is described");
    }
}
