//! The routes, one file for each family.

mod customers;
mod docs;
mod exports;
mod health;
mod items;
mod orders;
mod reports;
mod tutorial;

use actix_web::web::ServiceConfig;
use utoipa::openapi::OpenApi;

use crate::openapi::Routes;

/// Adds all routes, and the pages that describe them.
pub fn configure(config: &mut ServiceConfig) {
    routes().configure(config);
    docs::configure(config);
}

/// What describes the routes.
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
