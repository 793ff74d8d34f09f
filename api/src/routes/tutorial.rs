//! The seven routes of the tutorial's Marketplace service, as it answers them.

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder,
    web::{self, Data, Json, Path, Payload, Query, ServiceConfig},
};
use entity::Money;
use serde::{Deserialize, Serialize};
use service::{
    Database,
    orders::{self, NewOrder},
    tutorial,
};

use crate::{clock, id::Id, json_array::json_array, problem::Problem, timestamp::Timestamp};

/// Adds the routes.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(read("/", welcome))
        .service(read("/api/customers", list_customers))
        .service(read("/api/orders/{id}", list_orders_of_customer))
        .service(read("/api/order_total/{id}", get_order_total))
        .service(read("/api/orders_total", list_order_totals))
        .service(read("/api/orders_between_dates/{before}/{after}", list_orders_between))
        .service(web::resource("/api/add_new_order").post(create_order));
}

/// What can be read with GET can be asked about with HEAD.
fn read<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path).get(handler.clone()).route(web::head().to(handler))
}

async fn welcome() -> Json<&'static str> {
    Json("Welcome to Marketplace!")
}

async fn list_customers(db: Data<Database>) -> Result<HttpResponse, Problem> {
    json_array(tutorial::stream_customers(db.as_ref().clone())).await
}

async fn list_orders_of_customer(db: Data<Database>, id: Id) -> Result<HttpResponse, Problem> {
    json_array(tutorial::stream_orders_of_customer(db.as_ref().clone(), id.0)).await
}

#[derive(Serialize)]
struct OrderTotal {
    #[serde(rename = "Order Total")]
    total: Money,
}

async fn get_order_total(db: Data<Database>, id: Id) -> Result<Json<OrderTotal>, Problem> {
    let total = orders::total(db.reader(), id.0).await?;
    Ok(Json(OrderTotal { total }))
}

/// `?orders=1,2,3`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderIdsQuery {
    orders: Option<String>,
}

/// `{"orders": [1, 2, 3]}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderIdsBody {
    orders: Vec<i64>,
}

/// Bodies of GET get lost in proxies, so the ids may stand in the query as well.
async fn list_order_totals(
    db: Data<Database>,
    query: Query<OrderIdsQuery>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<Vec<Option<Money>>>, actix_web::Error> {
    let ids = match &query.orders {
        Some(orders) => parse_ids(orders)?,
        None => {
            Json::<OrderIdsBody>::from_request(&request, &mut payload.into_inner()).await?.0.orders
        }
    };
    Ok(Json(orders::totals(&db, ids).await.map_err(Problem::from)?))
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

async fn list_orders_between(
    db: Data<Database>,
    dates: Path<Dates>,
) -> Result<HttpResponse, Problem> {
    let db = db.as_ref().clone();
    json_array(tutorial::stream_orders_between(db, dates.after.0, dates.before.0)).await
}

async fn create_order(
    db: Data<Database>,
    order: Json<NewOrder>,
) -> Result<impl Responder, Problem> {
    let order = orders::place(&db, order.into_inner(), clock::now())
        .await
        .map_err(|error| Problem::from(error).or_400())?;
    Ok(HttpResponse::Created().json(order))
}
