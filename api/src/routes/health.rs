//! `/livez`, `/readyz` and `/metrics`: for whoever watches over the service.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Json},
};
use serde::Serialize;
use service::Database;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::{drain::Draining, limits::Gate, metrics::Metrics, openapi::Routes, problem::Problem};

/// How long the database may take to show that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Adds the routes.
pub fn add_to(routes: Routes) -> Routes {
    routes.add(__path_livez, livez).add(__path_readyz, readyz).add(__path_metrics, metrics)
}

/// What is alive.
#[derive(Serialize, ToSchema)]
struct Alive {
    /// Always `alive`.
    #[schema(example = "alive")]
    status: &'static str,
    /// The release.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The commit that it was built from.
    #[schema(example = "0123456789ab")]
    commit: &'static str,
}

/// Whether the process answers at all. Asks nothing of the database.
#[utoipa::path(get, path = "/livez", tag = "operation",
    responses((status = 200, description = "It does", body = Alive)))]
async fn livez() -> Json<Alive> {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("MARKETSVC_COMMIT"));
    Json(Alive { status: "alive", version, commit })
}

/// What is ready.
#[derive(Serialize, ToSchema)]
struct ReadyBody {
    /// Always `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Whether requests should be sent here: 503 while the server stops, or when the database is away or its
/// schema is behind.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses((status = 200, description = "They should", body = ReadyBody),
        (status = 503, response = inline(crate::openapi::ProblemResponse))))]
async fn readyz(db: Data<Database>, draining: Data<Draining>) -> Result<Json<ReadyBody>, Problem> {
    if draining.is_on() {
        return Err(not_ready("the server is about to stop"));
    }
    match timeout(PATIENCE, migration::pending(db.reader())).await {
        Ok(Ok(pending)) if pending.is_empty() => Ok(Json(ReadyBody { status: "ready" })),
        Ok(Ok(_)) => Err(not_ready("the database's schema is behind")),
        Ok(Err(error)) => {
            log::warn!("not ready: {error}");
            Err(not_ready("the database is away, or its schema is not one that this server knows"))
        }
        Err(_) => Err(not_ready("the database does not answer")),
    }
}

fn not_ready(detail: &'static str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "In Prometheus' text format", body = String, content_type = "text/plain")))]
async fn metrics(
    db: Data<Database>,
    gate: Data<Gate>,
    metrics: Data<Metrics>,
) -> Result<HttpResponse, Problem> {
    let text = metrics.text(&gate, &db.load()).map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text))
}
