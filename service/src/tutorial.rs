//! What the tutorial's routes show: customers with their address, orders with their lines, each by one
//! joined statement a page.

use chrono::{DateTime, NaiveDateTime, Utc};
use entity::{Money, address, customer, item, order_items, orders};
use futures_util::Stream;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DerivePartialModel, EntityTrait, JoinType, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, RelationTrait, Select,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Database, Error, Result, customers::Address, keyset::beyond, pages::pages};

/// Customers in a page of a stream: some tens of kilobytes of JSON.
const CUSTOMERS: u64 = 500;

/// Orders in a page of a stream, each with up to [`crate::orders::MAX_LINES`] lines.
const ORDERS: u64 = 100;

/// A customer and where they live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, DerivePartialModel)]
#[sea_orm(entity = "customer::Entity")]
#[schema(as = TutorialCustomer)]
pub struct Customer {
    /// Where a page ends; not shown.
    #[serde(skip)]
    pub id: i64,
    /// What they are called.
    pub name: String,
    /// Where they live.
    #[sea_orm(nested)]
    pub address: Address,
}

/// An order with its customer and its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TutorialOrder)]
pub struct Order {
    /// Its id.
    pub order_id: i64,
    /// Who placed it.
    pub customer: CustomerName,
    /// When: UTC, to the microsecond.
    pub order_time: DateTime<Utc>,
    /// What was ordered, by item id.
    pub items: Vec<Line>,
}

/// Who placed an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, DerivePartialModel)]
#[sea_orm(entity = "customer::Entity")]
pub struct CustomerName {
    /// What they are called.
    pub name: String,
}

/// So many of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TutorialLine)]
pub struct Line {
    /// The item's name.
    pub name: String,
    /// The item's price when the order was placed.
    pub price: Money,
    /// How many.
    pub quantity: i32,
    /// `price` × `quantity`
    pub total: Money,
}

/// All customers with their addresses, in the order of their ids: one joined statement a page.
pub fn stream_customers(db: Database) -> impl Stream<Item = Result<Vec<Customer>>> {
    pages(
        CUSTOMERS,
        move |after| {
            let db = db.clone();
            async move { page_of_customers(db.reader(), after).await }
        },
        |customer| customer.id,
    )
}

async fn page_of_customers(db: &impl ConnectionTrait, after: Option<i64>) -> Result<Vec<Customer>> {
    let mut customers = customer::Entity::find()
        // Every customer has an address; with an inner join MySQL may begin at the addresses and sort.
        .left_join(address::Entity)
        .order_by_asc(customer::Column::Id)
        .limit(CUSTOMERS);
    if let Some(id) = after {
        customers = customers.filter(customer::Column::Id.gt(id));
    }
    Ok(customers.into_partial_model().all(db).await?)
}

/// The orders of a customer, by id; none for an unknown customer. One joined statement a page.
pub fn stream_orders_of_customer(
    db: Database,
    customer_id: i64,
) -> impl Stream<Item = Result<Vec<Order>>> {
    pages(
        ORDERS,
        move |last| {
            let db = db.clone();
            async move { page_of_customer(db.reader(), customer_id, last).await }
        },
        |order: &Order| order.order_id,
    )
}

async fn page_of_customer(
    db: &impl ConnectionTrait,
    customer_id: i64,
    last: Option<i64>,
) -> Result<Vec<Order>> {
    use orders::Column::{CustomerId, Id};
    let mut page = orders::Entity::find().filter(CustomerId.eq(customer_id));
    if let Some(id) = last {
        page = page.filter(Id.gt(id));
    }
    load(db, page, &[Id]).await
}

/// The orders with `after <= order_time <= before`, oldest first: one statement a page.
pub fn stream_orders_between(
    db: Database,
    after: DateTime<Utc>,
    before: DateTime<Utc>,
) -> impl Stream<Item = Result<Vec<Order>>> {
    pages(
        ORDERS,
        move |last| {
            let db = db.clone();
            async move { page_of_orders(db.reader(), after, before, last).await }
        },
        |order: &Order| (order.order_time, order.order_id),
    )
}

async fn page_of_orders(
    db: &impl ConnectionTrait,
    after: DateTime<Utc>,
    before: DateTime<Utc>,
    last: Option<(DateTime<Utc>, i64)>,
) -> Result<Vec<Order>> {
    use orders::Column::{Id, OrderTime};
    let mut page = orders::Entity::find()
        .filter(OrderTime.gte(after.naive_utc()))
        .filter(OrderTime.lte(before.naive_utc()));
    if let Some((time, id)) = last {
        let time = (OrderTime, time.naive_utc().into());
        page = page.filter(beyond(db.get_database_backend(), time, (Id, id), false));
    }
    load(db, page, &[OrderTime, Id]).await
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "orders::Entity")]
struct Row {
    id: i64,
    order_time: NaiveDateTime,
    #[sea_orm(nested)]
    customer: CustomerName,
    #[sea_orm(nested)]
    line: Option<order_items::Model>,
    #[sea_orm(nested)]
    item: Option<ItemName>,
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "item::Entity")]
struct ItemName {
    name: String,
}

/// The first of the orders that `page` selects, by `keys`, with customer and lines.
///
/// `page` stands in for the table, so that its limit counts orders and not lines.
async fn load(
    db: &impl ConnectionTrait,
    page: Select<orders::Entity>,
    keys: &[orders::Column],
) -> Result<Vec<Order>> {
    let by_keys = |select: Select<orders::Entity>| {
        keys.iter().fold(select, |select, key| select.order_by_asc(*key))
    };
    let page = by_keys(page).limit(ORDERS).into_query();
    let mut rows = orders::Entity::find()
        .join(JoinType::InnerJoin, orders::Relation::Customer.def())
        .join(JoinType::LeftJoin, orders::Relation::OrderItems.def())
        .join(JoinType::LeftJoin, order_items::Relation::Item.def());
    QuerySelect::query(&mut rows).from_clear().from_subquery(page, orders::Entity);
    let rows = by_keys(rows).order_by_asc(order_items::Column::ItemId);
    group(rows.into_partial_model().all(db).await?)
}

/// Adjacent rows of one order become that order with its lines.
fn group(rows: Vec<Row>) -> Result<Vec<Order>> {
    let mut orders: Vec<Order> = Vec::new();
    for Row { id, order_time, customer, line, item } in rows {
        if orders.last().is_none_or(|order| order.order_id != id) {
            let order_time = order_time.and_utc();
            orders.push(Order { order_id: id, customer, order_time, items: Vec::new() });
        }
        if let (Some(order), Some(line), Some(item)) = (orders.last_mut(), line, item) {
            order.items.push(shown(item.name, &line)?);
        }
    }
    Ok(orders)
}

fn shown(name: String, line: &order_items::Model) -> Result<Line> {
    let total = line.item_total().ok_or_else(|| Error::line_out_of_range(line))?;
    Ok(Line { name, price: line.unit_price_cents, quantity: line.quantity, total })
}
