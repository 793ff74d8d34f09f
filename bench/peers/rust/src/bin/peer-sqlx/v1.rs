//! The benchmarked routes of `/api/v1`.

use actix_web::{
    Responder,
    web::{Data, Json, Path, Query},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    cents::Cents,
    database::{Database, LineRow, OrderHeaderRow},
    error::{Error, Result},
    tutorial::Address,
};

/// Order with its lines.
#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "field names of the JSON response")]
pub struct Order {
    pub id: i64,
    pub customer_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    pub order_time: DateTime<Utc>,
    pub items: Vec<Line>,
    pub total: Cents,
}

/// Customer of an order.
#[derive(Serialize)]
pub struct Customer {
    id: i64,
    name: String,
    address: Address,
}

/// Order line.
#[derive(Serialize)]
pub struct Line {
    pub item_id: i64,
    pub name: String,
    pub quantity: i32,
    pub unit_price: Cents,
    pub item_total: Cents,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
}

/// Item with its current price.
#[derive(Serialize)]
pub struct Item {
    id: i64,
    name: String,
    price: Cents,
    description: Option<String>,
}

/// Page of orders.
#[derive(Serialize)]
struct Page {
    data: Vec<Order>,
    next_cursor: Option<String>,
}

/// Query parameters `?limit=50&cursor=100`.
#[derive(Deserialize)]
pub struct PageRequest {
    limit: Option<i64>,
    cursor: Option<i64>,
}

/// The only supported expansion.
#[derive(Deserialize)]
enum Expansion {
    #[serde(rename = "customer.address,items.item")]
    All,
}

/// Query parameter `?expand=customer.address,items.item`.
#[derive(Deserialize)]
pub struct Expand {
    #[serde(rename = "expand")]
    _expand: Expansion,
}

impl Line {
    /// Creates a line without its item.
    pub fn new(item_id: i64, name: String, quantity: i32, unit_price: i64) -> Self {
        let item_total = Cents(unit_price * i64::from(quantity));
        Self { item_id, name, quantity, unit_price: Cents(unit_price), item_total, item: None }
    }
}

/// Sums the totals of the lines.
pub fn sum(lines: &[Line]) -> Cents {
    Cents(lines.iter().map(|line| line.item_total.0).sum())
}

/// Handles `GET /api/v1/orders`.
pub async fn orders(db: Data<Database>, page: Query<PageRequest>) -> Result<impl Responder> {
    let limit = page.limit.unwrap_or(50);
    if !(1..=100).contains(&limit) {
        return Err(Error::Invalid);
    }
    // One row more than the page shows whether there is a next page.
    let mut headers = db.order_headers(page.cursor.unwrap_or(i64::MIN), limit + 1).await?;
    let more = headers.len() > usize::try_from(limit).unwrap_or_default();
    if more {
        headers.pop();
    }
    let ids: Vec<i64> = headers.iter().map(|(id, ..)| *id).collect();
    let next_cursor = ids.last().filter(|_| more).map(i64::to_string);
    let lines = db.lines(&ids).await?;
    Ok(Json(Page { data: merge(headers, lines), next_cursor }))
}

/// Handles `GET /api/v1/orders/{order_id}?expand=customer.address,items.item`.
pub async fn order(
    db: Data<Database>,
    id: Path<i64>,
    _expand: Query<Expand>,
) -> Result<impl Responder> {
    let order = db.order(*id).await?.ok_or(Error::NotFound)?;
    let lines = db.lines_of_order(*id).await?;
    let items: Vec<Line> = lines
        .into_iter()
        .map(|(id, name, quantity, unit_price, price, description)| Line {
            item: Some(Item { id, name: name.clone(), price: Cents(price), description }),
            ..Line::new(id, name, quantity, unit_price)
        })
        .collect();
    let (id, time, customer_id, name, flat_number, post_code) = order;
    let address = Address { flat_number, post_code };
    Ok(Json(Order {
        id,
        customer_id,
        customer: Some(Customer { id: customer_id, name, address }),
        order_time: time.and_utc(),
        total: sum(&items),
        items,
    }))
}

/// Merges orders and lines; both inputs are sorted by order.
fn merge(headers: Vec<OrderHeaderRow>, lines: Vec<LineRow>) -> Vec<Order> {
    let mut lines = lines.into_iter().peekable();
    headers
        .into_iter()
        .map(|(id, customer_id, time)| {
            let mut items = Vec::new();
            while let Some((_, item_id, name, quantity, price)) =
                lines.next_if(|(order_id, ..)| *order_id == id)
            {
                items.push(Line::new(item_id, name, quantity, price));
            }
            let total = sum(&items);
            Order { id, customer_id, customer: None, order_time: time.and_utc(), items, total }
        })
        .collect()
}
