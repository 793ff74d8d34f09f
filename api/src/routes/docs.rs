//! `/openapi.json` and, for people, `/docs`.

use actix_web::web::{self, ServiceConfig};
use utoipa_swagger_ui::SwaggerUi;

/// Adds the pages, which need nothing from the network.
pub fn configure(config: &mut ServiceConfig) {
    let document = super::document();
    config
        .service(web::redirect("/docs", "/docs/"))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", document));
}
