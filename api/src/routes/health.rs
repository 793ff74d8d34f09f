//! `/livez`, `/readyz` and `/metrics`: for supervisors and monitoring.

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

use super::registry::Routes;
use crate::{
    middleware::limits::RequestLimiter,
    openapi::ProblemResponse,
    respond::problem::Problem,
    server::{drain::Draining, metrics::Metrics},
};

/// Time limit for the answer of the database to a readiness probe.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Adds the routes.
pub fn add_to(routes: Routes) -> Routes {
    routes.add(__path_livez, livez).add(__path_readyz, readyz).add(__path_metrics, metrics)
}

/// Answer of a process that is alive.
#[derive(Serialize, ToSchema)]
struct Alive {
    /// Always `alive`.
    #[schema(example = "alive")]
    status: &'static str,
    /// Release of the program.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Commit from which the program was built.
    #[schema(example = "0123456789ab")]
    commit: &'static str,
}

/// Answers as long as the process is alive, without a query to the database.
#[utoipa::path(get, path = "/livez", tag = "operation",
    responses((status = 200, description = "The process is alive", body = Alive)))]
async fn livez() -> Json<Alive> {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("MARKETSVC_COMMIT"));
    Json(Alive { status: "alive", version, commit })
}

/// Answer of a server that is ready.
#[derive(Serialize, ToSchema)]
struct ReadyBody {
    /// Always `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Tells whether the server should receive requests: 503 while it stops, and while the database is unavailable or its
/// schema is behind.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses((status = 200, description = "The server is ready", body = ReadyBody),
        (status = 503, response = inline(ProblemResponse))))]
async fn readyz(db: Data<Database>, draining: Data<Draining>) -> Result<Json<ReadyBody>, Problem> {
    if draining.is_on() {
        return Err(not_ready("the server is about to stop"));
    }
    match timeout(DATABASE_TIMEOUT, service::silently(migration::pending(db.reader()))).await {
        Ok(Ok(pending)) if pending.is_empty() => Ok(Json(ReadyBody { status: "ready" })),
        Ok(Ok(_)) => Err(not_ready("the database's schema is behind")),
        Ok(Err(error)) => {
            log::warn!("not ready: {error}");
            Err(not_ready(
                "the database is unavailable, or has a schema that this server does not know",
            ))
        }
        Err(_) => Err(not_ready("the database does not answer")),
    }
}

fn not_ready(detail: &'static str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// Returns the metrics of the server for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "Metrics in Prometheus' text format", body = String, content_type = "text/plain")))]
async fn metrics(
    db: Data<Database>,
    limiter: Data<RequestLimiter>,
    metrics: Data<Metrics>,
) -> Result<HttpResponse, Problem> {
    let text = metrics.text(&limiter, &db.stats()).map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text))
}
