//! `/api/v1/reports`

use actix_web::web::Json;
use deserr::Deserr;
use service::{
    pagination::MAX_PAGE_SIZE,
    reports::{self, BestSeller, Period, Revenue},
};
use utoipa::{IntoParams, ToSchema};

use super::registry::Routes;
use crate::{
    extract::{
        consistency::ReadDatabase,
        field_errors::FieldErrors,
        query::{Query, parse_limit},
        timestamp::Timestamp,
    },
    respond::{
        held::{Expensive, Held},
        problem::Problem,
    },
};

const DEFAULT_LIMIT: u64 = 10;

/// Adds the routes.
pub fn add_to(routes: Routes) -> Routes {
    routes
        .add(__path_report_revenue, report_revenue)
        .add(__path_report_best_sellers, report_best_sellers)
}

/// Length of a period.
#[derive(Clone, Copy, Deserr, ToSchema)]
#[deserr(rename_all = lowercase)]
#[serde(rename_all = "lowercase")]
enum By {
    Day,
    Month,
}

/// Parameters of the revenue report.
#[derive(Deserr, IntoParams)]
#[deserr(error = FieldErrors)]
#[into_params(parameter_in = Query)]
struct RevenueQuery {
    /// Earliest time at which the orders were placed.
    #[param(value_type = chrono::DateTime<chrono::Utc>, example = "2024-03-01T00:00:00Z")]
    from: Timestamp,
    /// Time before which the orders were placed; at most 3660 periods after `from`.
    #[param(value_type = chrono::DateTime<chrono::Utc>, example = "2024-04-01T00:00:00Z")]
    to: Timestamp,
    /// Length of a period; a day by default.
    #[deserr(default)]
    #[param(inline)]
    by: Option<By>,
}

/// Returns orders and revenue by day or month, UTC, including periods without orders.
#[utoipa::path(get, path = "/api/v1/reports/revenue", tag = "reports", params(RevenueQuery, ReadDatabase),
    responses((status = 200, description = "A row for each period, in ascending order", body = Vec<Revenue>)))]
async fn report_revenue(
    db: ReadDatabase,
    query: Query<RevenueQuery>,
    permit: Expensive,
) -> Result<Held<Json<Vec<Revenue>>>, Problem> {
    let RevenueQuery { from, to, by } = query.0;
    let by = match by {
        Some(By::Month) => Period::Month,
        Some(By::Day) | None => Period::Day,
    };
    let revenue = reports::revenue(db.report_reader(), from.0, to.0, by).await;
    let revenue = revenue.map_err(|error| Problem::from(error).or_400())?;
    Ok(permit.until_sent(Json(revenue)))
}

/// Parameters of the report of best sellers.
#[derive(Deserr, IntoParams)]
#[deserr(error = FieldErrors)]
#[into_params(parameter_in = Query)]
struct BestSellersQuery {
    /// Earliest time at which the orders were placed.
    #[param(value_type = chrono::DateTime<chrono::Utc>, example = "2024-03-01T00:00:00Z")]
    from: Timestamp,
    /// Time before which the orders were placed.
    #[param(value_type = chrono::DateTime<chrono::Utc>, example = "2024-04-01T00:00:00Z")]
    to: Timestamp,
    /// Maximum number of items; 10 by default.
    #[param(minimum = 1, maximum = 100)]
    #[deserr(default)]
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
}

/// Returns the items of which most pieces were ordered.
#[utoipa::path(get, path = "/api/v1/reports/best-sellers", tag = "reports", params(BestSellersQuery, ReadDatabase),
    responses((status = 200, description = "Items, the best seller first", body = Vec<BestSeller>)))]
async fn report_best_sellers(
    db: ReadDatabase,
    query: Query<BestSellersQuery>,
    permit: Expensive,
) -> Result<Held<Json<Vec<BestSeller>>>, Problem> {
    let BestSellersQuery { from, to, limit } = query.0;
    let limit = parse_limit(limit.as_deref(), DEFAULT_LIMIT, MAX_PAGE_SIZE)?;
    let best = reports::best_sellers(db.report_reader(), from.0, to.0, limit).await?;
    Ok(permit.until_sent(Json(best)))
}
