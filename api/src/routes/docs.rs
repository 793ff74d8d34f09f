//! `/openapi.json`, and `/docs` for reading it in a browser.

use actix_web::web::{self, ServiceConfig};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

/// Adds the pages, which load nothing from other servers.
pub fn configure(config: &mut ServiceConfig, document: OpenApi) {
    config
        .service(web::redirect("/docs", "/docs/"))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", document));
}
