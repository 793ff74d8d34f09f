//! `/api/v1/orders`

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};
use service::{
    Database,
    orders::{self, Expand, MAX_LINES, NewLine, NewOrder, Order, OrderField, OrderFilter},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    body::{Body, IdempotencyHeader},
    clock,
    conditional::{self, IfNoneMatchHeader},
    fields::{self, Fields, FromFields, positive},
    id::{Id, IdPath},
    openapi::Routes,
    page::{self, PageBody},
    problem::Problem,
    timestamp::Timestamp,
};

/// Where orders are.
pub const COLLECTION: &str = "/api/v1/orders";

/// Adds the routes.
pub fn add_to(routes: Routes) -> Routes {
    routes
        .add(__path_list_orders, list_orders)
        .add(__path_place_order, place_order)
        .add(__path_get_order, get_order)
}

/// The parameters of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OrdersQuery {
    /// How many orders; 50 if not given.
    #[param(minimum = 1, maximum = 100, example = 50)]
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// By what; with `-` before it the other way round. By `id` if not given.
    #[param(pattern = "^-?(id|order_time)$", example = "-order_time")]
    sort: Option<String>,
    /// Only this customer's.
    customer_id: Option<i64>,
    /// Only orders placed then or later.
    #[param(value_type = Option<chrono::DateTime<chrono::Utc>>, example = "2024-03-18T10:30:00Z")]
    placed_from: Option<Timestamp>,
    /// Only orders placed before.
    #[param(value_type = Option<chrono::DateTime<chrono::Utc>>, example = "2024-03-18T10:30:00Z")]
    placed_before: Option<Timestamp>,
    /// What to load beside the lines, with commas between: `customer`, `customer.address`, `items.item`.
    #[param(
        pattern = "^(customer|customer\\.address|items\\.item)(,(customer|customer\\.address|items\\.item))*$"
    )]
    expand: Option<String>,
}

/// A page of the orders with their lines.
#[utoipa::path(get, path = "/api/v1/orders", tag = "orders", params(OrdersQuery),
    responses((status = 200, description = "A page", body = PageBody<Order>,
        headers(("Link" = String, description = "The next page, if there is one")))))]
async fn list_orders(
    db: Data<Database>,
    query: Query<OrdersQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let sort = query.sort.as_deref();
    let window = page::window::<OrderField>(&request, query.limit, sort, query.cursor.as_deref())?;
    let filter = OrderFilter {
        customer_id: query.customer_id,
        placed_from: query.placed_from.map(|time| time.0),
        placed_before: query.placed_before.map(|time| time.0),
        ..OrderFilter::default()
    };
    let expand = expand(query.expand.as_deref())?;
    let page = orders::list(db.reader(), &window, filter, expand).await?;
    Ok(page::answer(&request, sort, page))
}

/// The parameters of one order.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OrderQuery {
    /// What to load beside the lines, with commas between: `customer`, `customer.address`, `items.item`.
    #[param(
        pattern = "^(customer|customer\\.address|items\\.item)(,(customer|customer\\.address|items\\.item))*$"
    )]
    expand: Option<String>,
}

/// The order with its lines.
#[utoipa::path(get, path = "/api/v1/orders/{id}", tag = "orders",
    params(IdPath, OrderQuery, IfNoneMatchHeader),
    responses((status = 200, description = "The order", body = Order, headers(("ETag" = String))),
        (status = 304, description = "It is as the caller has it")))]
async fn get_order(
    db: Data<Database>,
    id: Id,
    query: Query<OrderQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let expand = expand(query.expand.as_deref())?;
    conditional::tagged(&request, &orders::get(db.reader(), id.0, expand).await?)
}

/// An order to place.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOrder)]
pub struct NewOrderBody {
    /// Who places it.
    #[schema(minimum = 1, example = 1)]
    customer_id: i64,
    /// What is ordered: each item once.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<NewLineBody>,
}

/// So many of one item.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLine)]
pub struct NewLineBody {
    /// The item.
    #[schema(minimum = 1, example = 2)]
    id: i64,
    /// How many.
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 4)]
    quantity: i64,
}

impl FromFields for NewOrder {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let customer_id = fields.required("customer_id", fields::id);
        let items = fields.required_list("items", 1..=MAX_LINES);
        Some(Self { customer_id: customer_id?, items: items? })
    }
}

impl FromFields for NewLine {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let id = fields.required("id", fields::id);
        let quantity = fields.required("quantity", positive);
        Some(Self { id: id?, quantity: quantity? })
    }
}

/// Places an order at the items' prices of this moment.
#[utoipa::path(post, path = "/api/v1/orders", tag = "orders", request_body = NewOrderBody,
    params(IdempotencyHeader),
    responses((status = 201, description = "The order", body = Order,
        headers(("Location" = String), ("ETag" = String), ("Idempotency-Replayed" = String, description = "`true` for a repeated request")))))]
async fn place_order(db: Data<Database>, body: Body<NewOrder>) -> Result<HttpResponse, Problem> {
    let created = orders::place(&db, body.value, body.key, clock::now()).await?;
    Ok(conditional::created(COLLECTION, created))
}

/// `customer,items.item`
pub fn expand(relations: Option<&str>) -> Result<Expand, Problem> {
    let mut expand = Expand::default();
    for relation in relations.into_iter().flat_map(|relations| relations.split(',')) {
        if !expand.add(relation) {
            let known = Expand::KNOWN.join(", ");
            return Err(Problem::bad_request(format!("expand is a list of {known}")));
        }
    }
    Ok(expand)
}
