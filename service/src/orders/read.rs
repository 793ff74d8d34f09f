//! Reading orders with their lines, and what else the caller asks for.

use chrono::{DateTime, NaiveDateTime, Utc};
use entity::{Money, address, customer, orders};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, JoinType, QueryFilter, QueryResult,
    QuerySelect, QueryTrait, RelationTrait, Select,
};

use super::{Order, OrderCustomer, lines};
use crate::{
    Error, Result,
    customers::{self, Address},
    list::{Key, Page, Position, SortField, Window},
    statement::{self, ById},
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
    let statement = prepared(expand).bind(db.get_database_backend(), id);
    let row = db.query_one_raw(statement).await?.ok_or(Error::NotFound { what: "order", id })?;
    read_order(&row, expand)
}

/// [`select`] by id.
fn prepared(expand: Expand) -> &'static ById {
    macro_rules! with {
        ($customer:literal, $address:literal, $item:literal) => {{
            const EXPAND: Expand = Expand { customer: $customer, address: $address, item: $item };
            static STATEMENT: ById = ById::new(|backend, id| {
                select(orders::Entity::find_by_id(id), backend, EXPAND).into_query()
            });
            &STATEMENT
        }};
    }
    match (expand.customer, expand.address, expand.item) {
        (false, _, false) => with!(false, false, false),
        (false, _, true) => with!(false, false, true),
        (true, false, false) => with!(true, false, false),
        (true, false, true) => with!(true, false, true),
        (true, true, false) => with!(true, true, false),
        (true, true, true) => with!(true, true, true),
    }
}

/// A page of orders. One statement.
pub async fn list(
    db: &impl ConnectionTrait,
    window: &Window<OrderField>,
    filter: OrderFilter,
    expand: Expand,
) -> Result<Page<Order>> {
    let (start, filter) = one_bound(window, filter);
    let orders = start.of(filtered(filter), db.get_database_backend());
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

/// Where a list by time starts and the filter's time at that end are two bounds of one index; of two,
/// SQLite may begin at the farther and read everything between, page after page. The nearer one is enough.
fn one_bound(
    window: &Window<OrderField>,
    mut filter: OrderFilter,
) -> (Window<OrderField>, OrderFilter) {
    let mut start = window.clone();
    let Some(Position { key: Key::Time(time), .. }) = window.after else { return (start, filter) };
    let is_nearer = if window.sort.descending {
        filter.placed_before.is_none_or(|before| time < before.naive_utc())
            && filter.placed_until.is_none_or(|until| time <= until.naive_utc())
    } else {
        filter.placed_from.is_none_or(|from| time >= from.naive_utc())
    };
    if !is_nearer {
        start.after = None;
    } else if window.sort.descending {
        (filter.placed_before, filter.placed_until) = (None, None);
    } else {
        filter.placed_from = None;
    }
    (start, filter)
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
    orders: Select<orders::Entity>,
    expand: Expand,
) -> Result<Vec<Order>> {
    let backend = db.get_database_backend();
    let statement = statement::build(backend, &select(orders, backend, expand).into_query());
    db.query_all_raw(statement).await?.iter().map(|row| read_order(row, expand)).collect()
}

/// What [`read_order`] reads.
fn select(
    orders: Select<orders::Entity>,
    backend: DbBackend,
    expand: Expand,
) -> Select<orders::Entity> {
    use orders::Column::{CustomerId, Id, OrderTime};
    let lines = lines::gathered(backend, expand.item);
    let mut select = orders.select_only().columns([Id, CustomerId, OrderTime]).expr(lines);
    if expand.customer {
        select = select.inner_join(customer::Entity).column(customer::Column::Name);
    }
    if expand.address {
        select = select
            .join(JoinType::InnerJoin, customer::Relation::Address.def())
            .columns([address::Column::FlatNumber, address::Column::PostCode]);
    }
    select
}

/// Reads the columns by their place in [`select`]: looking them up by name would double the time.
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
