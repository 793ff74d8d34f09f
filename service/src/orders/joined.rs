//! Orders joined with their lines: one statement, one row a line. For a single order, and for the start of a stream,
//! which holds all of most customers' orders.

use chrono::NaiveDateTime;
use entity::{Money, address, customer, item, order_items, orders};
use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait, JoinType, QueryOrder, QuerySelect, QueryTrait,
    RelationTrait, Select,
    sea_query::{Expr, Keyword},
};

use super::{
    Expand, Order, OrderCustomer, OrderFilter, OrderSort, lines,
    select::{Shape, filtered},
};
use crate::{
    Error, Result,
    customers::Address,
    database::query::CompiledQuery,
    pagination::{Page, PageRequest, SortField},
};

/// Columns of an order, and of one of its lines if it has any: id, customer, time; item, quantity, unit price, name.
type Row = (i64, i64, NaiveDateTime, Option<i64>, Option<i32>, Option<Money>, Option<String>);

/// The same with the customer's name.
type WithCustomerRow =
    (i64, i64, NaiveDateTime, Option<i64>, Option<i32>, Option<Money>, Option<String>, String);

/// The same with the relations that are expanded: the customer's name and address, the item's price and description.
type ExpandedRow = (
    i64,
    i64,
    NaiveDateTime,
    Option<i64>,
    Option<i32>,
    Option<Money>,
    Option<String>,
    Option<String>,
    Option<i32>,
    Option<i32>,
    Option<Money>,
    Option<String>,
);

/// Returns the order with its lines, their items, and the expanded relations. One statement: all are joined.
///
/// Compiled: building the text would take more than a tenth of the time.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn get(db: &impl ConnectionTrait, id: i64, expand: Expand) -> Result<Order> {
    static PLAIN: CompiledQuery<Row, ()> = CompiledQuery::new();
    static EXPANDED: CompiledQuery<ExpandedRow, Expand> = CompiledQuery::new();
    let select = || with_lines(orders::Entity::find_by_id(id));
    let values = vec![id.into()];
    let orders = if expand == Expand::default() {
        let build = |_| by_item(select()).into_query();
        group(PLAIN.all(db, (), values, build).await?.into_iter().map(plain))
    } else {
        let build = |_| by_item(with_expanded(select(), expand)).into_query();
        group(EXPANDED.all(db, expand, values, build).await?.into_iter().map(expanded))
    };
    orders?.pop().ok_or(Error::NotFound { what: "order", id })
}

/// Number of lines in the first page of a stream.
const FIRST_ROWS: u64 = 64;

/// Returns the first page of a stream, with the customer's name if `customer`. One statement: lines are joined.
///
/// The last order is left to the next page if the rows may not hold all of its lines. `None` if that leaves no order, and
/// on MySQL, which would sort the whole table to order by columns of two tables.
///
/// Compiled: building the text would take a tenth of the time of a customer's few orders.
pub(super) async fn first_page(
    db: &impl ConnectionTrait,
    page: &PageRequest<OrderSort>,
    filter: OrderFilter,
    customer: bool,
) -> Result<Option<Page<Order>>> {
    static PLAIN: CompiledQuery<Row, Shape> = CompiledQuery::new();
    static WITH_CUSTOMER: CompiledQuery<WithCustomerRow, Shape> = CompiledQuery::new();
    let backend = db.get_database_backend();
    if backend == DbBackend::MySql {
        return Ok(None);
    }
    let (shape, values) = Shape::of(page, filter, backend);
    let select = || {
        let orders = with_lines(page.apply(filtered(filter), backend));
        by_item(orders.limit(FIRST_ROWS + 1))
    };
    let (rows, mut orders) = if customer {
        let build = |_| with_customer(select()).into_query();
        let rows = WITH_CUSTOMER.all(db, shape, values, build).await?;
        (rows.len(), group(rows.into_iter().map(with_name))?)
    } else {
        let rows = PLAIN.all(db, shape, values, |_| select().into_query()).await?;
        (rows.len(), group(rows.into_iter().map(plain))?)
    };
    if rows as u64 <= FIRST_ROWS {
        return Ok(Some(Page { rows: orders, next: None }));
    }
    orders.pop();
    let next = orders.last().map(|order| page.sort.field.cursor(order));
    Ok(next.map(|next| Page { rows: orders, next: Some(next) }))
}

/// Adds the columns of a [`Row`].
fn with_lines(orders: Select<orders::Entity>) -> Select<orders::Entity> {
    use order_items::Column::{ItemId, Quantity, UnitPriceCents};
    use orders::Column::{CustomerId, Id, OrderTime};
    orders
        .left_join(order_items::Entity)
        .join(JoinType::LeftJoin, order_items::Relation::Item.def())
        .select_only()
        .columns([Id, CustomerId, OrderTime])
        .columns([ItemId, Quantity, UnitPriceCents])
        .column(item::Column::Name)
}

/// Adds the columns of an [`ExpandedRow`]; joins only the relations that are expanded.
fn with_expanded(orders: Select<orders::Entity>, expand: Expand) -> Select<orders::Entity> {
    let orders = if expand.customer { with_customer(orders) } else { orders.expr(null()) };
    let orders =
        if expand.address { with_address(orders) } else { orders.expr(null()).expr(null()) };
    if expand.item {
        orders.columns([item::Column::PriceCents, item::Column::Description])
    } else {
        orders.expr(null()).expr(null())
    }
}

/// Joins the customer and adds the name.
pub(super) fn with_customer(orders: Select<orders::Entity>) -> Select<orders::Entity> {
    orders.inner_join(customer::Entity).column(customer::Column::Name)
}

/// Joins the address of the customer and adds its columns.
pub(super) fn with_address(orders: Select<orders::Entity>) -> Select<orders::Entity> {
    let address = customer::Relation::Address.def();
    let columns = [address::Column::FlatNumber, address::Column::PostCode];
    orders.join(JoinType::InnerJoin, address).columns(columns)
}

fn by_item(orders: Select<orders::Entity>) -> Select<orders::Entity> {
    orders.order_by_asc(order_items::Column::ItemId)
}

/// `NULL`, in place of a column that is not asked for.
fn null() -> Expr {
    Expr::Keyword(Keyword::Null)
}

/// Order of a row, and the line of the row if the order has any.
struct Joined {
    order: (i64, i64, NaiveDateTime),
    customer: Option<OrderCustomer>,
    line: JoinedLine,
    /// Price and description of the item, if expanded.
    item: Option<(Money, Option<String>)>,
}

/// Columns of a line after a left join: item, quantity, unit price, name.
type JoinedLine = (Option<i64>, Option<i32>, Option<Money>, Option<String>);

fn plain(row: Row) -> Joined {
    let (id, customer_id, time, item, quantity, price, name) = row;
    let line = (item, quantity, price, name);
    Joined { order: (id, customer_id, time), customer: None, line, item: None }
}

fn with_name(row: WithCustomerRow) -> Joined {
    let (id, customer_id, time, item, quantity, price, name, customer) = row;
    let customer = OrderCustomer { id: customer_id, name: customer, address: None };
    let row = plain((id, customer_id, time, item, quantity, price, name));
    Joined { customer: Some(customer), ..row }
}

fn expanded(row: ExpandedRow) -> Joined {
    let (id, customer_id, time, item, quantity, price, name, customer, flat, code, now, text) = row;
    let address = flat.zip(code);
    let address = address.map(|(flat_number, post_code)| Address { flat_number, post_code });
    let customer = customer.map(|name| OrderCustomer { id: customer_id, name, address });
    let row = plain((id, customer_id, time, item, quantity, price, name));
    Joined { customer, item: now.map(|price| (price, text)), ..row }
}

/// Gathers adjacent rows of the same order.
fn group(rows: impl Iterator<Item = Joined>) -> Result<Vec<Order>> {
    let mut orders: Vec<Order> = Vec::new();
    for Joined { order, customer, line, item } in rows {
        let id = order.0;
        if orders.last().is_none_or(|last| last.id != id) {
            orders.push(Order::without_lines(order, customer));
        }
        if let (Some(order), (Some(item_id), Some(quantity), Some(unit_price), Some(name))) =
            (orders.last_mut(), line)
        {
            order.add(lines::line((id, item_id, quantity, unit_price, name), item)?)?;
        }
    }
    Ok(orders)
}
