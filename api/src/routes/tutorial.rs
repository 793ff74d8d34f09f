//! The seven routes of the tutorial's Marketplace service, as it answers them.

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    web::{Data, Json, Path, Payload, Query},
};
use entity::Money;
use serde::{Deserialize, Serialize};
use service::{
    Database,
    orders::{self, NewOrder, Order},
    tutorial,
};
use utoipa::{IntoParams, ToSchema};

use super::orders::{COLLECTION, NewOrderBody};
use crate::{
    body::{Body, IdempotencyHeader},
    clock, conditional,
    fields::{self, Fields, FromFields},
    id::Id,
    limits::Limits,
    openapi::Routes,
    problem::Problem,
    streaming::json_array,
    timestamp::Timestamp,
};

/// Adds the routes.
pub fn add_to(routes: Routes) -> Routes {
    routes
        .add(__path_welcome, welcome)
        .add(__path_list_customers, list_customers)
        .add(__path_list_orders_of_customer, list_orders_of_customer)
        .add(__path_get_order_total, get_order_total)
        .add(__path_list_order_totals, list_order_totals)
        .add(__path_list_orders_between, list_orders_between)
        .add(__path_create_order, create_order)
}

/// A greeting.
#[utoipa::path(get, path = "/", tag = "tutorial",
    responses((status = 200, description = "A greeting", body = String, content_type = "application/json")))]
async fn welcome() -> Json<&'static str> {
    Json("Welcome to Marketplace!")
}

/// All customers with their addresses, streamed.
#[utoipa::path(get, path = "/api/customers", tag = "tutorial", operation_id = "tutorial_list_customers",
    responses((status = 200, description = "The customers", body = Vec<tutorial::Customer>)))]
async fn list_customers(db: Data<Database>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    json_array(&request, tutorial::stream_customers(db.as_ref().clone())).await
}

/// A customer's orders with their lines, streamed; none for an unknown customer.
#[utoipa::path(get, path = "/api/orders/{id}", tag = "tutorial", operation_id = "tutorial_list_orders_of_customer",
    params(("id" = i64, Path, description = "The customer")),
    responses((status = 200, description = "The orders", body = Vec<tutorial::Order>)))]
async fn list_orders_of_customer(
    db: Data<Database>,
    id: Id,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    json_array(&request, tutorial::stream_orders_of_customer(db.as_ref().clone(), id.0)).await
}

/// What an order comes to.
#[derive(Serialize, ToSchema)]
struct OrderTotal {
    #[serde(rename = "Order Total")]
    total: Money,
}

/// What an order comes to.
#[utoipa::path(get, path = "/api/order_total/{id}", tag = "tutorial",
    params(("id" = i64, Path, description = "The order")),
    responses((status = 200, description = "The total", body = OrderTotal)))]
async fn get_order_total(db: Data<Database>, id: Id) -> Result<Json<OrderTotal>, Problem> {
    let total = orders::total(db.reader(), id.0).await?;
    Ok(Json(OrderTotal { total }))
}

/// The parameters of the totals.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OrderIdsQuery {
    /// Up to 1000 ids with commas between.
    #[param(pattern = "^([0-9]{1,18}(,[0-9]{1,18}){0,999})?$", example = "1,2,3", required = true)]
    orders: Option<String>,
}

/// `{"orders": [1, 2, 3]}`
struct OrderIdsBody(Vec<i64>);

impl FromFields for OrderIdsBody {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let ids = fields.required("orders", |ids| {
            let ids = ids.as_array().ok_or("must be an array")?.iter();
            ids.map(|id| fields::integer(id, i64::MIN..=i64::MAX)).collect()
        });
        Some(Self(ids?))
    }
}

/// What each order comes to, position by position; null for an unknown one.
///
/// Bodies of GET get lost in proxies, so the ids may stand in the query instead of in a JSON body
/// `{"orders": [1, 2]}`, which OpenAPI has no word for.
#[utoipa::path(get, path = "/api/orders_total", tag = "tutorial", params(OrderIdsQuery),
    responses((status = 200, description = "The totals", body = Vec<Option<Money>>)))]
async fn list_order_totals(
    db: Data<Database>,
    query: Query<OrderIdsQuery>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<Vec<Option<Money>>>, Problem> {
    let ids = match &query.orders {
        Some(orders) => parse_ids(orders)?,
        None => body_of_get(&request, payload).await?,
    };
    let most = Limits::of(&request)?.max_ids;
    Ok(Json(orders::totals(&db, ids, most).await?))
}

async fn body_of_get(request: &HttpRequest, payload: Payload) -> Result<Vec<i64>, Problem> {
    let body = Body::<OrderIdsBody>::from_request(request, &mut payload.into_inner()).await;
    Ok(body.map_err(Problem::or_400)?.value.0)
}

fn parse_ids(ids: &str) -> Result<Vec<i64>, Problem> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    ids.split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| Problem::bad_request("orders is a list of ids, as in orders=1,2,3"))
}

/// Mind the order of the two.
#[derive(Deserialize)]
struct Dates {
    before: Timestamp,
    after: Timestamp,
}

/// The orders with `after <= order_time <= before`, streamed.
#[utoipa::path(get, path = "/api/orders_between_dates/{before}/{after}", tag = "tutorial",
    params(("before" = chrono::DateTime<chrono::Utc>, Path, description = "A time or a date"),
        ("after" = chrono::DateTime<chrono::Utc>, Path, description = "A time or a date")),
    responses((status = 200, description = "The orders", body = Vec<tutorial::Order>)))]
async fn list_orders_between(
    db: Data<Database>,
    dates: Path<Dates>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let db = db.as_ref().clone();
    json_array(&request, tutorial::stream_orders_between(db, dates.after.0, dates.before.0)).await
}

/// Places an order. Like `POST /api/v1/orders`, but an order that cannot be placed is 400.
#[utoipa::path(post, path = "/api/add_new_order", tag = "tutorial", request_body = NewOrderBody,
    params(IdempotencyHeader),
    responses((status = 201, description = "The order", body = Order,
        headers(("Location" = String), ("ETag" = String), ("Idempotency-Replayed" = String, description = "`true` for a repeated request")))))]
async fn create_order(
    db: Data<Database>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::<NewOrder>::from_request(&request, &mut payload.into_inner()).await;
    let Body { value, key } = body.map_err(Problem::or_400)?;
    let created = orders::place(&db, value, key, clock::now()).await;
    let created = created.map_err(|error| Problem::from(error).or_400())?;
    Ok(conditional::created(COLLECTION, created))
}
