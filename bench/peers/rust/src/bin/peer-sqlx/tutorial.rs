//! Read routes of the tutorial.

use actix_web::{
    HttpResponse, Responder,
    web::{Data, Json, Path, Query},
};
use chrono::{DateTime, NaiveDateTime, Utc};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::{
    cents::Cents,
    database::{Database, OrderRow},
    error::{Error, Result},
    sql,
    stream::json_array,
    time,
};

/// Customer with an address.
#[derive(Serialize)]
struct Customer {
    #[serde(skip)]
    id: i64,
    name: String,
    address: Address,
}

/// Address of a customer.
#[derive(Serialize)]
pub struct Address {
    pub flat_number: i32,
    pub post_code: i32,
}

/// Order with its customer and its lines.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "field names of the JSON response")]
struct Order {
    order_id: i64,
    customer: CustomerName,
    order_time: DateTime<Utc>,
    items: Vec<Line>,
}

#[derive(Serialize)]
struct CustomerName {
    name: String,
}

/// Order line.
#[derive(Serialize)]
struct Line {
    name: String,
    price: Cents,
    quantity: i32,
    total: Cents,
}

/// Total of an order.
#[derive(Serialize)]
struct OrderTotal {
    #[serde(rename = "Order Total")]
    total: Cents,
}

/// Query parameters `?orders=1,2,3`.
#[derive(Deserialize)]
pub struct OrderIds {
    orders: String,
}

/// Handles `GET /`.
pub async fn welcome() -> impl Responder {
    Json("Welcome to Marketplace!")
}

/// Handles `GET /api/customers`.
pub async fn customers(db: Data<Database>) -> Result<HttpResponse> {
    let fetch = async move |after| {
        let rows = db.customers(after).await?;
        let customers = rows.into_iter().map(|(id, name, flat_number, post_code)| Customer {
            id,
            name,
            address: Address { flat_number, post_code },
        });
        Ok(customers.collect())
    };
    json_array(sql::CUSTOMERS_LIMIT, i64::MIN, fetch, |customer| customer.id).await
}

/// Handles `GET /api/orders/{customer_id}`.
pub async fn orders_of_customer(db: Data<Database>, id: Path<i64>) -> Result<HttpResponse> {
    let fetch = async move |after| Ok(group(db.orders_of_customer(*id, after).await?));
    json_array(sql::ORDERS_LIMIT, i64::MIN, fetch, |order| order.order_id).await
}

/// Handles `GET /api/orders_between_dates/{before}/{after}`.
pub async fn orders_between_dates(
    db: Data<Database>,
    dates: Path<(String, String)>,
) -> Result<HttpResponse> {
    let (before, after) = (time::parse(&dates.0)?, time::parse(&dates.1)?);
    let fetch = async move |start| Ok(group(db.orders_between(before, start).await?));
    let start: (NaiveDateTime, i64) = (after, i64::MIN);
    json_array(sql::ORDERS_LIMIT, start, fetch, |order| {
        (order.order_time.naive_utc(), order.order_id)
    })
    .await
}

/// Handles `GET /api/order_total/{order_id}`.
pub async fn order_total(db: Data<Database>, id: Path<i64>) -> Result<impl Responder> {
    let total = db.order_total(*id).await?.ok_or(Error::NotFound)?;
    Ok(Json(OrderTotal { total: Cents(total) }))
}

/// Handles `GET /api/orders_total?orders=1,2,3` with a task and a connection per order.
pub async fn orders_total(db: Data<Database>, ids: Query<OrderIds>) -> Result<impl Responder> {
    let ids: Vec<i64> = ids
        .orders
        .split(',')
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Error::Invalid)?;
    let tasks = ids.into_iter().map(|id| {
        let db = db.as_ref().clone();
        tokio::spawn(async move { db.order_total(id).await })
    });
    let totals: Result<Vec<Option<i64>>> = try_join_all(tasks).await?.into_iter().collect();
    Ok(Json(totals?.into_iter().map(|total| total.map(Cents)).collect::<Vec<_>>()))
}

/// Groups adjacent rows of the same order into an order with its lines.
fn group(rows: Vec<OrderRow>) -> Vec<Order> {
    let mut orders: Vec<Order> = Vec::new();
    for (order_id, time, customer, item, quantity, price) in rows {
        let line = item.zip(quantity).zip(price).map(|((name, quantity), price)| Line {
            name,
            price: Cents(price),
            quantity,
            total: Cents(price * i64::from(quantity)),
        });
        match orders.last_mut() {
            Some(order) if order.order_id == order_id => order.items.extend(line),
            _ => orders.push(Order {
                order_id,
                customer: CustomerName { name: customer },
                order_time: time.and_utc(),
                items: line.into_iter().collect(),
            }),
        }
    }
    orders
}
