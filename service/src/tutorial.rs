//! What the tutorial's routes show: customers with their address, orders with their lines, each in the
//! tutorial's form.

use chrono::{DateTime, Utc};
use entity::Money;
use futures_util::{Stream, TryStreamExt};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Database, Result,
    customers::{self, Address},
    export,
    list::Page,
    orders::{self, Expand, OrderField, OrderFilter},
};

/// A customer and where they live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TutorialCustomer)]
pub struct Customer {
    /// What they are called.
    pub name: String,
    /// Where they live.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
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

impl From<customers::Customer> for Customer {
    fn from(customer: customers::Customer) -> Self {
        let customers::Customer { id: _, name, address } = customer;
        Self { name, address }
    }
}

impl From<orders::Order> for Order {
    fn from(order: orders::Order) -> Self {
        let orders::Order { id, customer_id: _, customer, order_time, items, total: _ } = order;
        let name = customer.map(|customer| customer.name).unwrap_or_default();
        Self {
            order_id: id,
            customer: CustomerName { name },
            order_time,
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

/// All customers with their addresses, in the order of their ids: one joined statement a page.
pub fn stream_customers(db: Database) -> impl Stream<Item = Result<Page<Customer>>> {
    export::customers(db).map_ok(|page| page.map(Customer::from))
}

/// The orders of a customer, by id; none for an unknown customer. One joined statement a page.
pub fn stream_orders_of_customer(
    db: Database,
    customer_id: i64,
) -> impl Stream<Item = Result<Page<Order>>> {
    let filter = OrderFilter { customer_id: Some(customer_id), ..OrderFilter::default() };
    stream_orders(db, filter, OrderField::Id)
}

/// The orders with `after <= order_time <= before`, oldest first: one statement a page.
pub fn stream_orders_between(
    db: Database,
    after: DateTime<Utc>,
    before: DateTime<Utc>,
) -> impl Stream<Item = Result<Page<Order>>> {
    let filter = OrderFilter {
        placed_from: Some(after),
        placed_until: Some(before),
        ..OrderFilter::default()
    };
    stream_orders(db, filter, OrderField::OrderTime)
}

fn stream_orders(
    db: Database,
    filter: OrderFilter,
    field: OrderField,
) -> impl Stream<Item = Result<Page<Order>>> {
    let expand = Expand { customer: true, ..Expand::default() };
    export::orders(db, filter, field, expand).map_ok(|page| page.map(Order::from))
}
