//! Reading orders with their lines, and what else the caller asks for.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::{address, customer, item, order_items, orders};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DerivePartialModel, EntityTrait, QueryFilter, QueryOrder, Select,
};

use super::{Line, Order, OrderCustomer};
use crate::{
    Error, Result,
    customers::{self, Address},
    items::Item,
    list::{Key, Page, Position, SortField, Window},
};

/// What is loaded with orders beside their lines. What is not asked for is not queried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expand {
    /// Who placed them: one statement.
    pub customer: bool,
    /// Who placed them and where they live: within that statement.
    pub address: bool,
    /// The items as they are today: within the statement of the lines.
    pub item: bool,
}

impl Expand {
    /// The relations and what they are called.
    pub const KNOWN: [&'static str; 3] = ["customer", "customer.address", "items.item"];

    /// Adds the relation called `name`; `false` if there is none.
    pub fn add(&mut self, name: &str) -> bool {
        match name {
            "customer" => self.customer = true,
            "customer.address" => (self.customer, self.address) = (true, true),
            "items.item" => self.item = true,
            _ => return false,
        }
        true
    }
}

/// Which orders.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderFilter {
    /// Of this customer.
    pub customer_id: Option<i64>,
    /// Placed at this time or later.
    pub placed_from: Option<DateTime<Utc>>,
    /// Placed before this time.
    pub placed_before: Option<DateTime<Utc>>,
}

/// By what orders are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderField {
    /// By id.
    Id,
    /// By the time they were placed.
    OrderTime,
}

impl SortField for OrderField {
    type Entity = orders::Entity;
    type Row = orders::Model;

    const ALL: &'static [(&'static str, Self)] =
        &[("id", Self::Id), ("order_time", Self::OrderTime)];
    const ID: orders::Column = orders::Column::Id;

    fn column(self) -> orders::Column {
        match self {
            Self::Id => orders::Column::Id,
            Self::OrderTime => orders::Column::OrderTime,
        }
    }

    fn fits(self, key: &Key) -> bool {
        match self {
            Self::Id => matches!(key, Key::Number(_)),
            Self::OrderTime => matches!(key, Key::Time(_)),
        }
    }

    fn position(self, order: &orders::Model) -> Position {
        let key = match self {
            Self::Id => Key::Number(order.id),
            Self::OrderTime => Key::Time(order.order_time),
        };
        Position { key, id: order.id }
    }
}

/// The order. Two statements, and one for its customer.
pub async fn get(db: &impl ConnectionTrait, id: i64, expand: Expand) -> Result<Order> {
    let head = orders::Entity::find_by_id(id).one(db).await?;
    let head = head.ok_or(Error::NotFound { what: "order", id })?;
    let orders = with_relations(db, vec![head], expand).await?;
    orders.into_iter().next().ok_or(Error::NotFound { what: "order", id })
}

/// A page of orders. Two statements, and one for their customers.
pub async fn list(
    db: &impl ConnectionTrait,
    window: &Window<OrderField>,
    filter: OrderFilter,
    expand: Expand,
) -> Result<Page<Order>> {
    let heads = window.of(filtered(filter), db.get_database_backend()).all(db).await?;
    let Page { rows, next } = window.page(heads);
    Ok(Page { rows: with_relations(db, rows, expand).await?, next })
}

/// [`list`] of one customer's orders.
///
/// # Errors
/// [`Error::NotFound`] for an unknown customer.
pub async fn list_of_customer(
    db: &impl ConnectionTrait,
    customer_id: i64,
    window: &Window<OrderField>,
    expand: Expand,
) -> Result<Page<Order>> {
    customers::get(db, customer_id).await?;
    let filter = OrderFilter { customer_id: Some(customer_id), ..OrderFilter::default() };
    list(db, window, filter, expand).await
}

fn filtered(filter: OrderFilter) -> Select<orders::Entity> {
    use orders::Column::{CustomerId, OrderTime};
    let OrderFilter { customer_id, placed_from, placed_before } = filter;
    let mut orders = orders::Entity::find();
    if let Some(id) = customer_id {
        orders = orders.filter(CustomerId.eq(id));
    }
    if let Some(from) = placed_from {
        orders = orders.filter(OrderTime.gte(from.naive_utc()));
    }
    if let Some(before) = placed_before {
        orders = orders.filter(OrderTime.lt(before.naive_utc()));
    }
    orders
}

async fn with_relations(
    db: &impl ConnectionTrait,
    heads: Vec<orders::Model>,
    expand: Expand,
) -> Result<Vec<Order>> {
    let mut lines = load_lines(db, &heads, expand).await?;
    let customers = load_customers(db, &heads, expand).await?;
    heads
        .into_iter()
        .map(|head| {
            let items = lines.remove(&head.id).unwrap_or_default();
            let total = items
                .iter()
                .try_fold(entity::Money::default(), |sum, line: &Line| sum.plus(line.item_total));
            let too_much = || Error::AmountOutOfRange(format!("order {}", head.id));
            Ok(Order {
                id: head.id,
                customer_id: head.customer_id,
                customer: customers.get(&head.customer_id).cloned(),
                order_time: head.order_time.and_utc(),
                items,
                total: total.ok_or_else(too_much)?,
            })
        })
        .collect()
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "order_items::Entity")]
struct LineRow {
    #[sea_orm(nested)]
    line: order_items::Model,
    #[sea_orm(nested)]
    item: ItemName,
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "item::Entity")]
struct ItemName {
    name: String,
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "order_items::Entity")]
struct ExpandedLineRow {
    #[sea_orm(nested)]
    line: order_items::Model,
    #[sea_orm(nested)]
    item: Item,
}

/// The lines of the orders, by order and then by item. One statement.
async fn load_lines(
    db: &impl ConnectionTrait,
    heads: &[orders::Model],
    expand: Expand,
) -> Result<HashMap<i64, Vec<Line>>> {
    let mut lines: HashMap<i64, Vec<Line>> = HashMap::new();
    if heads.is_empty() {
        return Ok(lines);
    }
    let rows = order_items::Entity::find()
        .inner_join(item::Entity)
        .filter(order_items::Column::OrderId.is_in(heads.iter().map(|head| head.id)))
        .order_by_asc(order_items::Column::OrderId)
        .order_by_asc(order_items::Column::ItemId);
    if expand.item {
        for ExpandedLineRow { line, item } in rows.into_partial_model().all(db).await? {
            let of_order = lines.entry(line.order_id).or_default();
            of_order.push(read_line(&line, item.name.clone(), Some(item))?);
        }
    } else {
        for LineRow { line, item } in rows.into_partial_model().all(db).await? {
            let of_order = lines.entry(line.order_id).or_default();
            of_order.push(read_line(&line, item.name, None)?);
        }
    }
    Ok(lines)
}

fn read_line(line: &order_items::Model, name: String, item: Option<Item>) -> Result<Line> {
    Ok(Line {
        item_id: line.item_id,
        name,
        quantity: line.quantity,
        unit_price: line.unit_price_cents,
        item_total: line.item_total().ok_or_else(|| Error::line_out_of_range(line))?,
        item,
    })
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "customer::Entity")]
struct CustomerRow {
    id: i64,
    name: String,
    #[sea_orm(nested)]
    address: Option<Address>,
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "customer::Entity")]
struct BareCustomerRow {
    id: i64,
    name: String,
}

/// The customers of the orders, each once. One statement, or none.
async fn load_customers(
    db: &impl ConnectionTrait,
    heads: &[orders::Model],
    expand: Expand,
) -> Result<HashMap<i64, OrderCustomer>> {
    if !expand.customer || heads.is_empty() {
        return Ok(HashMap::new());
    }
    let mut ids: Vec<i64> = heads.iter().map(|head| head.customer_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let customers = customer::Entity::find().filter(customer::Column::Id.is_in(ids));
    let found: Vec<OrderCustomer> = if expand.address {
        let customers = customers.inner_join(address::Entity).into_partial_model().all(db).await?;
        customers
            .into_iter()
            .map(|CustomerRow { id, name, address }| OrderCustomer { id, name, address })
            .collect()
    } else {
        let customers = customers.into_partial_model().all(db).await?;
        customers
            .into_iter()
            .map(|BareCustomerRow { id, name }| OrderCustomer { id, name, address: None })
            .collect()
    };
    Ok(found.into_iter().map(|customer| (customer.id, customer)).collect())
}
