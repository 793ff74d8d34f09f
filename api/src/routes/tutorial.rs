//! The seven routes of the tutorial's Marketplace service, with the answers in the tutorial's form.

use std::{
    future::{Future, ready},
    pin::Pin,
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    web::{Data, Json, Path},
};
use chrono::{DateTime, Utc};
use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use entity::Money;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use service::{
    Database,
    customers::{self, Address},
    domain::MoneySchema,
    orders::{self, OrderFilter, OrderSort},
};
use utoipa::{IntoParams, ToSchema};

use super::{
    orders::{COLLECTION, NewOrderBody},
    registry::Routes,
};
use crate::{
    extract::{
        consistency::ReadDatabase, domain::whole_number, field_errors::FieldErrors, id::Id,
        idempotent::Idempotent, json_body::JsonBody, query, timestamp::Timestamp,
    },
    respond::{etag, problem::Problem, stream::StreamResponder},
    server::{clock, limits::Limits},
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

/// Greets the client.
#[utoipa::path(get, path = "/", tag = "tutorial",
    responses((status = 200, description = "Greeting", body = String, content_type = "application/json")))]
async fn welcome() -> Json<&'static str> {
    Json("Welcome to Marketplace!")
}

/// Customer with the address.
#[derive(Serialize, ToSchema)]
#[schema(as = TutorialCustomer)]
struct Customer {
    /// Name.
    name: String,
    /// Address.
    address: Address,
}

impl From<customers::Customer> for Customer {
    fn from(customer: customers::Customer) -> Self {
        let customers::Customer { id: _, name, address } = customer;
        Self { name, address }
    }
}

/// Streams all customers with their addresses.
#[utoipa::path(get, path = "/api/customers", tag = "tutorial", operation_id = "tutorial_list_customers", params(ReadDatabase),
    responses((status = 200, description = "The customers", body = Vec<Customer>)))]
async fn list_customers(
    db: ReadDatabase,
    responder: StreamResponder,
) -> Result<HttpResponse, Problem> {
    let customers = customers::stream(db.clone());
    responder.json_array(customers.map_ok(|page| page.map(Customer::from))).await
}

/// Order with its customer and its lines.
#[derive(Serialize, ToSchema)]
#[schema(as = TutorialOrder)]
struct Order {
    /// Id.
    #[serde(rename = "order_id")]
    id: i64,
    /// Customer.
    customer: CustomerName,
    /// Time at which the order was placed: UTC, to the microsecond.
    #[serde(rename = "order_time")]
    time: DateTime<Utc>,
    /// Lines, by item id.
    items: Vec<Line>,
}

/// Customer of an order.
#[derive(Serialize, ToSchema)]
struct CustomerName {
    /// Name.
    name: String,
}

/// Line of an order: the quantity of one item.
#[derive(Serialize, ToSchema)]
#[schema(as = TutorialLine)]
struct Line {
    /// Name of the item.
    name: String,
    /// Price of the item when the order was placed.
    #[schema(value_type = MoneySchema)]
    price: Money,
    /// Number of pieces.
    quantity: i32,
    /// `price` × `quantity`
    #[schema(value_type = MoneySchema)]
    total: Money,
}

impl From<orders::Order> for Order {
    fn from(order: orders::Order) -> Self {
        let orders::Order { id, customer_id: _, customer, order_time: time, items, total: _ } =
            order;
        let name = customer.map(|customer| customer.name).unwrap_or_default();
        Self {
            id,
            customer: CustomerName { name },
            time,
            items: items.into_iter().map(Line::from).collect(),
        }
    }
}

impl From<orders::Line> for Line {
    fn from(line: orders::Line) -> Self {
        let orders::Line { item_id: _, name, quantity, unit_price, item_total, item: _ } = line;
        Self { name, price: unit_price, quantity, total: item_total }
    }
}

/// Streams a customer's orders with their lines, by id; none for an unknown customer.
#[utoipa::path(get, path = "/api/orders/{id}", tag = "tutorial", operation_id = "tutorial_list_orders_of_customer",
    params(("id" = i64, Path, description = "Id of the customer"), ReadDatabase),
    responses((status = 200, description = "The orders", body = Vec<Order>)))]
async fn list_orders_of_customer(
    db: ReadDatabase,
    id: Id,
    responder: StreamResponder,
) -> Result<HttpResponse, Problem> {
    let filter = OrderFilter { customer_id: Some(id.id), ..OrderFilter::default() };
    stream_orders(db, filter, OrderSort::Id, responder).await
}

async fn stream_orders(
    db: ReadDatabase,
    filter: OrderFilter,
    sort: OrderSort,
    responder: StreamResponder,
) -> Result<HttpResponse, Problem> {
    let orders = orders::stream(db.clone(), filter, sort, true);
    responder.json_array(orders.map_ok(|page| page.map(Order::from))).await
}

/// Total of an order.
#[derive(Serialize, ToSchema)]
struct OrderTotal {
    #[serde(rename = "Order Total")]
    #[schema(value_type = MoneySchema)]
    total: Money,
}

/// Returns the total of an order.
#[utoipa::path(get, path = "/api/order_total/{id}", tag = "tutorial",
    params(("id" = i64, Path, description = "Id of the order"), ReadDatabase),
    responses((status = 200, description = "The total", body = OrderTotal)))]
async fn get_order_total(db: ReadDatabase, id: Id) -> Result<Json<OrderTotal>, Problem> {
    let total = orders::total(db.reader(), id.id).await?;
    Ok(Json(OrderTotal { total }))
}

/// Parameters of the totals.
#[derive(Deserr, IntoParams)]
#[deserr(error = FieldErrors)]
#[into_params(parameter_in = Query)]
struct OrderIdsQuery {
    /// Up to 1000 ids, separated by commas.
    #[deserr(default)]
    #[param(pattern = "^([0-9]{1,18}(,[0-9]{1,18}){0,999})?$", example = "1,2,3", required = true)]
    orders: Option<String>,
}

/// Body `{"orders": [1, 2, 3]}`.
#[derive(Deserr)]
#[deserr(error = FieldErrors, deny_unknown_fields)]
struct OrderIdsBody {
    orders: Vec<OrderId>,
}

/// Id of an order, which need not exist: any whole number.
struct OrderId(i64);

impl Deserr<FieldErrors> for OrderId {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, FieldErrors> {
        let id = whole_number(&value).map(Self);
        id.ok_or_else(|| FieldErrors::at(location, "must be a whole number"))
    }
}

/// Ids from the query, or from the body if the query has none.
struct OrderIds(Vec<i64>);

impl FromRequest for OrderIds {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        match query::read(request.query_string()) {
            Ok(OrderIdsQuery { orders: Some(ids) }) => {
                return Box::pin(ready(parse_ids(&ids).map(Self)));
            }
            Ok(OrderIdsQuery { orders: None }) => {}
            Err(problem) => return Box::pin(ready(Err(problem))),
        }
        let body = JsonBody::<OrderIdsBody>::from_request(request, payload);
        Box::pin(async move {
            let JsonBody(OrderIdsBody { orders }) = body.await.map_err(Problem::or_400)?;
            Ok(Self(orders.into_iter().map(|OrderId(id)| id).collect()))
        })
    }
}

fn parse_ids(ids: &str) -> Result<Vec<i64>, Problem> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = ids.split(',').map(str::parse).collect::<Result<_, _>>();
    ids.map_err(|_| Problem::bad_request("orders must be a list of ids, as in orders=1,2,3"))
}

/// Returns the total of each order, position by position; null for an unknown one.
///
/// Proxies may drop the body of a GET, so the ids may be given in the query instead of in a JSON body
/// `{"orders": [1, 2]}`, which OpenAPI cannot describe.
#[utoipa::path(get, path = "/api/orders_total", tag = "tutorial", params(OrderIdsQuery, ReadDatabase),
    responses((status = 200, description = "The totals", body = Vec<Option<MoneySchema>>)))]
async fn list_order_totals(
    db: ReadDatabase,
    ids: OrderIds,
    limits: Limits,
) -> Result<Json<Vec<Option<Money>>>, Problem> {
    let totals = orders::totals(&db, ids.0, limits.max_ids).await;
    Ok(Json(totals.map_err(|error| Problem::from(error).or_400())?))
}

/// Times in the path; the latest one comes first.
#[derive(Deserialize)]
struct Times {
    before: Timestamp,
    after: Timestamp,
}

/// Streams the orders with `after <= order_time <= before`, the oldest first.
#[utoipa::path(get, path = "/api/orders_between_dates/{before}/{after}", tag = "tutorial",
    params(("before" = chrono::DateTime<chrono::Utc>, Path, description = "Latest time, or a date"),
        ("after" = chrono::DateTime<chrono::Utc>, Path, description = "Earliest time, or a date"), ReadDatabase),
    responses((status = 200, description = "The orders", body = Vec<Order>)))]
async fn list_orders_between(
    db: ReadDatabase,
    times: Path<Times>,
    responder: StreamResponder,
) -> Result<HttpResponse, Problem> {
    let filter = OrderFilter {
        placed_from: Some(times.after.0),
        placed_until: Some(times.before.0),
        ..OrderFilter::default()
    };
    stream_orders(db, filter, OrderSort::OrderTime, responder).await
}

/// Places an order like `POST /api/v1/orders`, but answers 400 if the order cannot be placed.
#[utoipa::path(post, path = "/api/add_new_order", tag = "tutorial", request_body = NewOrderBody,
    params(Idempotent::<NewOrderBody>),
    responses((status = 201, description = "The order", body = orders::Order,
        headers(("Location" = String), ("ETag" = String), ("Idempotency-Replayed" = String, description = "`true` for a repeated request")))))]
async fn create_order(
    db: Data<Database>,
    request: Result<Idempotent<NewOrderBody>, Problem>,
) -> Result<HttpResponse, Problem> {
    let Idempotent { body, key } = request.map_err(Problem::or_400)?;
    let created = orders::place(&db, body.into(), key, clock::now()).await;
    let created = created.map_err(|error| Problem::from(error).or_400())?;
    Ok(etag::created(COLLECTION, created))
}
