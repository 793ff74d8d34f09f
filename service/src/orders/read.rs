//! Reading orders with their lines, and what else the caller asks for.

use chrono::{DateTime, NaiveDateTime, Utc};
use entity::{Money, address, customer, orders};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryResult, QuerySelect,
    QueryTrait, RelationTrait, Select,
};

use super::{Order, OrderCustomer, lines};
use crate::{
    Error, Result,
    customers::{self, Address},
    list::{Key, Page, Position, SortField, Window},
};

/// What is loaded with orders beside their lines, by the same statement. What is not asked for is not
/// queried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expand {
    /// Who placed them.
    pub customer: bool,
    /// Who placed them and where they live.
    pub address: bool,
    /// The items as they are today.
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
    /// Placed at this time or earlier.
    pub placed_until: Option<DateTime<Utc>>,
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
    type Row = Order;

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

    fn position(self, order: &Order) -> Position {
        let key = match self {
            Self::Id => Key::Number(order.id),
            Self::OrderTime => Key::Time(order.order_time.naive_utc()),
        };
        Position { key, id: order.id }
    }
}

/// The order. One statement.
pub async fn get(db: &impl ConnectionTrait, id: i64, expand: Expand) -> Result<Order> {
    let orders = load(db, orders::Entity::find_by_id(id), expand).await?;
    orders.into_iter().next().ok_or(Error::NotFound { what: "order", id })
}

/// A page of orders. One statement.
pub async fn list(
    db: &impl ConnectionTrait,
    window: &Window<OrderField>,
    filter: OrderFilter,
    expand: Expand,
) -> Result<Page<Order>> {
    let orders = window.of(filtered(filter), db.get_database_backend());
    Ok(window.page(load(db, orders, expand).await?))
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
    let OrderFilter { customer_id, placed_from, placed_before, placed_until } = filter;
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
    if let Some(until) = placed_until {
        orders = orders.filter(OrderTime.lte(until.naive_utc()));
    }
    orders
}

/// The orders that `select` finds, with their lines and what else is asked for. One statement.
async fn load(
    db: &impl ConnectionTrait,
    mut select: Select<orders::Entity>,
    expand: Expand,
) -> Result<Vec<Order>> {
    use orders::Column::{CustomerId, Id, OrderTime};
    let lines = lines::gathered(db.get_database_backend(), expand.item);
    select = select.select_only().columns([Id, CustomerId, OrderTime]).expr(lines);
    if expand.customer {
        select = select.inner_join(customer::Entity).column(customer::Column::Name);
    }
    if expand.address {
        select = select
            .join(JoinType::InnerJoin, customer::Relation::Address.def())
            .columns([address::Column::FlatNumber, address::Column::PostCode]);
    }
    let rows = db.query_all(&select.into_query()).await?;
    rows.iter().map(|row| read_order(row, expand)).collect()
}

/// Reads the columns by their place in [`load`]: looking them up by name would double the time.
fn read_order(row: &QueryResult, expand: Expand) -> Result<Order> {
    let id = row.try_get_by(0)?;
    let customer_id = row.try_get_by(1)?;
    let order_time: NaiveDateTime = row.try_get_by(2)?;
    let items = lines::read(id, &row.try_get_by::<String, _>(3)?)?;
    let address = if expand.address {
        Some(Address { flat_number: row.try_get_by(5)?, post_code: row.try_get_by(6)? })
    } else {
        None
    };
    let customer = if expand.customer {
        Some(OrderCustomer { id: customer_id, name: row.try_get_by(4)?, address })
    } else {
        None
    };
    let total = items.iter().try_fold(Money::default(), |sum, line| sum.plus(line.item_total));
    let total = total.ok_or_else(|| Error::AmountOutOfRange(format!("order {id}")))?;
    Ok(Order { id, customer_id, customer, order_time: order_time.and_utc(), items, total })
}
