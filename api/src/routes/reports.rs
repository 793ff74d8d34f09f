//! `/api/v1/reports`

use actix_web::web::{Data, Json, Query};
use serde::Deserialize;
use service::{
    Database,
    list::MAX_LIMIT,
    reports::{self, BestSeller, Period, Revenue},
};
use utoipa::{IntoParams, ToSchema};

use crate::{openapi::Routes, problem::Problem, timestamp::Timestamp};

const DEFAULT_LIMIT: u64 = 10;

/// Adds the routes.
pub fn add_to(routes: Routes) -> Routes {
    routes
        .add(__path_report_revenue, report_revenue)
        .add(__path_report_best_sellers, report_best_sellers)
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum By {
    Day,
    Month,
}

/// The parameters of the revenue.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RevenueQuery {
    /// Orders placed then or later.
    #[param(value_type = chrono::DateTime<chrono::Utc>, example = "2024-03-01T00:00:00Z")]
    from: Timestamp,
    /// Orders placed before; at most 3660 periods after `from`.
    #[param(value_type = chrono::DateTime<chrono::Utc>, example = "2024-04-01T00:00:00Z")]
    to: Timestamp,
    /// How long a period is; a day if not given.
    #[param(inline)]
    by: Option<By>,
}

/// Orders and revenue by day or month, UTC; periods without orders included.
#[utoipa::path(get, path = "/api/v1/reports/revenue", tag = "reports", params(RevenueQuery),
    responses((status = 200, description = "A row for each period", body = Vec<Revenue>)))]
async fn report_revenue(
    db: Data<Database>,
    query: Query<RevenueQuery>,
) -> Result<Json<Vec<Revenue>>, Problem> {
    let RevenueQuery { from, to, by } = query.into_inner();
    let by = match by {
        Some(By::Month) => Period::Month,
        Some(By::Day) | None => Period::Day,
    };
    let revenue = reports::revenue(db.reader(), from.0, to.0, by).await;
    Ok(Json(revenue.map_err(|error| Problem::from(error).or_400())?))
}

/// The parameters of the best sellers.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct BestSellersQuery {
    /// Orders placed then or later.
    #[param(value_type = chrono::DateTime<chrono::Utc>, example = "2024-03-01T00:00:00Z")]
    from: Timestamp,
    /// Orders placed before.
    #[param(value_type = chrono::DateTime<chrono::Utc>, example = "2024-04-01T00:00:00Z")]
    to: Timestamp,
    /// How many items; 10 if not given.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
}

/// The items of which most was ordered.
#[utoipa::path(get, path = "/api/v1/reports/best-sellers", tag = "reports", params(BestSellersQuery),
    responses((status = 200, description = "The best first", body = Vec<BestSeller>)))]
async fn report_best_sellers(
    db: Data<Database>,
    query: Query<BestSellersQuery>,
) -> Result<Json<Vec<BestSeller>>, Problem> {
    let BestSellersQuery { from, to, limit } = query.into_inner();
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::bad_request(format!("limit is from 1 to {MAX_LIMIT}")));
    }
    Ok(Json(reports::best_sellers(db.reader(), from.0, to.0, limit).await?))
}
