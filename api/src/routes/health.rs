//! `/livez`, `/readyz` and `/metrics`: for supervisors and monitoring.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Json},
};
use deserr::Deserr;
use serde::Serialize;
use service::Database;
use utoipa::{IntoParams, ToSchema};

use super::registry::Routes;
use crate::{
    extract::{field_errors::FieldErrors, query::Query},
    middleware::limits::RequestLimiter,
    openapi::ProblemResponse,
    respond::problem::Problem,
    server::{
        metrics::Metrics,
        readiness::{DatabaseAccess, Readiness},
    },
};

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

/// Access that the asker needs.
#[derive(Clone, Copy, Deserr, PartialEq, Eq, ToSchema)]
#[deserr(rename_all = lowercase)]
#[serde(rename_all = "lowercase")]
enum Access {
    Read,
    Write,
}

/// Parameters of the readiness probe.
#[derive(Deserr, IntoParams)]
#[deserr(error = FieldErrors)]
#[into_params(parameter_in = Query)]
struct ReadyQuery {
    /// `read` if a database that takes no writes is enough; `write` by default.
    #[deserr(default)]
    #[param(inline)]
    access: Option<Access>,
}

/// Answer of a server that is ready.
#[derive(Serialize, ToSchema)]
struct ReadyBody {
    /// `ready`, or `read-only` while the database takes no writes.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Tells whether the server should receive requests: 503 while it stops, and while the database is unavailable, has a
/// schema that is behind, or takes no writes. A probe in the background asks the database once a second.
#[utoipa::path(get, path = "/readyz", tag = "operation", params(ReadyQuery),
    responses((status = 200, description = "The server is ready", body = ReadyBody),
        (status = 503, response = inline(ProblemResponse))))]
async fn readyz(
    query: Query<ReadyQuery>,
    readiness: Data<Readiness>,
) -> Result<Json<ReadyBody>, Problem> {
    match readiness.access() {
        DatabaseAccess::Write => Ok(Json(ReadyBody { status: "ready" })),
        DatabaseAccess::Read if query.0.access == Some(Access::Read) => {
            Ok(Json(ReadyBody { status: "read-only" }))
        }
        DatabaseAccess::Read => Err(not_ready("the database takes no writes")),
        DatabaseAccess::Nothing(reason) => Err(not_ready(reason)),
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
