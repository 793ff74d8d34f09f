//! Lines of orders with their items, loaded for a whole page at a time.

use std::collections::HashMap;

use entity::{
    Money, item,
    order_items::{self, Column, Entity},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select, Value,
    sea_query::{Expr, Func},
};

use super::{Line, Order};
use crate::{
    Error, Result,
    database::query::{CompiledQuery, pad},
    domain::MAX_LINES,
    items::Item,
};

/// Columns of a line and its item: order, item, quantity, unit price, name.
pub(super) type LineRow = (i64, i64, i32, Money, String);

/// The same with price and description of the item, which is expanded.
type ExpandedRow = (i64, i64, i32, Money, String, Money, Option<String>);

/// Number of lines that are loaded before their size is known: small in any case.
const MAX_UNMEASURED: u64 = 2000;

/// The same with expanded items, whose descriptions may have 8,000 bytes.
const MAX_UNMEASURED_EXPANDED: u64 = 400;

/// Bytes of a line in JSON apart from its texts; those of an order without lines are fewer.
const LINE_BYTES: u16 = 160;

/// Loads the lines of `orders`, each by item id, and drops the last orders if all of them are larger than `max_bytes`;
/// returns `false` if it did. At least one order remains.
///
/// One statement, none without orders: items are joined. Three if there are many lines, which are measured first.
///
/// Compiled: streams load lines for each of their pages.
pub(super) async fn load(
    db: &impl ConnectionTrait,
    orders: &mut Vec<Order>,
    with_item: bool,
    max_bytes: usize,
) -> Result<bool> {
    let found = orders.len();
    let Some(of) = of_orders(orders) else { return Ok(true) };
    let max = if with_item { MAX_UNMEASURED_EXPANDED } else { MAX_UNMEASURED };
    let may_be_more = (orders.len() * MAX_LINES) as u64 > max;
    if !add(db, orders, of, with_item, may_be_more.then_some(max)).await? {
        let sizes = measure(db, orders, with_item).await?;
        let sizes = orders.iter().map(|order| sizes.get(&order.id).copied().unwrap_or_default());
        orders.truncate(fitting(sizes, max_bytes));
        // A range would find lines of the orders that were dropped.
        let of = list(orders);
        add(db, orders, of, with_item, None).await?;
    }
    orders.truncate(fitting(orders.iter().map(size), max_bytes));
    Ok(orders.len() == found)
}

/// Returns the number of orders with these sizes that fit into `max_bytes`, at least one.
fn fitting(sizes: impl Iterator<Item = usize>, max_bytes: usize) -> usize {
    let sums = sizes.scan(0_usize, |sum, size| {
        *sum = sum.saturating_add(size);
        Some(*sum)
    });
    sums.take_while(|sum| *sum <= max_bytes).count().max(1)
}

/// Returns the size of an order in JSON, apart from escape sequences.
fn size(order: &Order) -> usize {
    let line = |line: &Line| {
        let expanded = line.item.as_ref();
        let description =
            expanded.and_then(|item| item.description.as_ref()).map_or(0, String::len);
        usize::from(LINE_BYTES)
            + line.name.len() * (1 + usize::from(expanded.is_some()))
            + description
    };
    usize::from(LINE_BYTES) + order.items.iter().map(line).sum::<usize>()
}

/// Returns the sizes of the orders like [`size`], from the database. One statement.
async fn measure(
    db: &impl ConnectionTrait,
    orders: &[Order],
    with_item: bool,
) -> Result<HashMap<i64, usize>> {
    let length = |column: item::Column| {
        let length = Func::cust("OCTET_LENGTH").arg(Expr::col(column.as_column_ref()));
        Expr::from(Func::coalesce([length.into(), Expr::Constant(0.into())]))
    };
    let texts = if with_item {
        length(item::Column::Name).mul(2).add(length(item::Column::Description))
    } else {
        length(item::Column::Name)
    };
    let size = Func::sum(texts.add(i32::from(LINE_BYTES)));
    let size = Expr::from(size).cast_as(order_items::integer_type(db.get_database_backend()));
    let sizes: Vec<(i64, i64)> = Entity::find()
        .filter(Column::OrderId.is_in(orders.iter().map(|order| order.id)))
        .inner_join(item::Entity)
        .select_only()
        .column(Column::OrderId)
        .expr(size)
        .group_by(Column::OrderId)
        .into_tuple()
        .all(db)
        .await?;
    let size = |size| usize::try_from(size).unwrap_or(usize::MAX).saturating_add(LINE_BYTES.into());
    Ok(sizes.into_iter().map(|(id, bytes)| (id, size(bytes))).collect())
}

/// Adds their lines to `orders`, unless there are more than `max`; then returns `false`.
async fn add(
    db: &impl ConnectionTrait,
    orders: &mut [Order],
    (of_orders, ids): (OfOrders, Vec<i64>),
    with_item: bool,
    max: Option<u64>,
) -> Result<bool> {
    static PLAIN: CompiledQuery<LineRow, (OfOrders, Option<u64>)> = CompiledQuery::new();
    static EXPANDED: CompiledQuery<ExpandedRow, (OfOrders, Option<u64>)> = CompiledQuery::new();
    let key = (of_orders, max);
    let values = ids.iter().map(|id| Value::from(*id)).collect();
    let select = || select(of_orders, &ids).limit(max.map(|max| max + 1));
    let is_more = |rows: usize| max.is_some_and(|max| rows as u64 > max);
    let mut by_id: HashMap<i64, &mut Order> =
        orders.iter_mut().map(|order| (order.id, order)).collect();
    if with_item {
        let price_and_description = [item::Column::PriceCents, item::Column::Description];
        let build = |_| select().columns(price_and_description).into_query();
        let rows = EXPANDED.all(db, key, values, build).await?;
        if is_more(rows.len()) {
            return Ok(false);
        }
        for row in rows {
            let (order_id, item_id, quantity, unit_price, name, price, description) = row;
            if let Some(order) = by_id.get_mut(&order_id) {
                let row = (order_id, item_id, quantity, unit_price, name);
                order.add(line(row, Some((price, description)))?)?;
            }
        }
    } else {
        let rows = PLAIN.all(db, key, values, |_| select().into_query()).await?;
        if is_more(rows.len()) {
            return Ok(false);
        }
        for row in rows {
            if let Some(order) = by_id.get_mut(&row.0) {
                order.add(line(row, None)?)?;
            }
        }
    }
    Ok(true)
}

/// Condition for the lines of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OfOrders {
    /// The order is in a range of ids.
    Between,
    /// The order is in a list of this many ids.
    In(usize),
}

/// Number of ids up to which a list is cheaper than a range: PostgreSQL plans a range anew at each use.
const SHORT_LIST: usize = 16;

/// Returns the condition for the lines of `orders` and the values of the condition; `None` without orders.
///
/// Many ids without large gaps, as in a stream by time, are a range, which is cheaper to search than a list; its lines of
/// other orders are skipped.
fn of_orders(orders: &[Order]) -> Option<(OfOrders, Vec<i64>)> {
    let ids = || orders.iter().map(|order| order.id);
    let (first, last) = (ids().min()?, ids().max()?);
    let span = usize::try_from(last.abs_diff(first)).unwrap_or(usize::MAX);
    if orders.len() > SHORT_LIST && span < 2 * orders.len() {
        return Some((OfOrders::Between, vec![first, last]));
    }
    Some(list(orders))
}

/// Returns the condition for the lines of exactly these orders.
fn list(orders: &[Order]) -> (OfOrders, Vec<i64>) {
    let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
    let ids: Vec<i64> = pad(&ids).collect();
    (OfOrders::In(ids.len()), ids)
}

/// Selects the columns of a [`LineRow`], by order and item.
fn select(of_orders: OfOrders, ids: &[i64]) -> Select<Entity> {
    let condition = match (of_orders, ids) {
        (OfOrders::Between, &[first, last]) => Column::OrderId.between(first, last),
        (_, ids) => Column::OrderId.is_in(ids.iter().copied()),
    };
    Entity::find()
        .filter(condition)
        .inner_join(item::Entity)
        .select_only()
        .columns([Column::OrderId, Column::ItemId, Column::Quantity, Column::UnitPriceCents])
        .column(item::Column::Name)
        .order_by_asc(Column::OrderId)
        .order_by_asc(Column::ItemId)
}

/// Makes a line of its columns and, if expanded, of price and description of the item.
///
/// # Errors
/// [`Error::AmountOutOfRange`] if its total is more than [`Money::MAX`].
pub(super) fn line(row: LineRow, item: Option<(Money, Option<String>)>) -> Result<Line> {
    let (order_id, item_id, quantity, unit_price_cents, name) = row;
    let model = order_items::Model { order_id, item_id, quantity, unit_price_cents };
    let item_total = model
        .item_total()
        .ok_or_else(|| Error::AmountOutOfRange(format!("order {order_id}, item {item_id}")))?;
    let item = item.map(|(price, description)| Item {
        id: item_id,
        name: name.clone(),
        price,
        description,
    });
    Ok(Line { item_id, name, quantity, unit_price: unit_price_cents, item_total, item })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(ids: impl IntoIterator<Item = i64>) -> Vec<Order> {
        let order =
            |id| Order::without_lines((id, 1, chrono::DateTime::UNIX_EPOCH.naive_utc()), None);
        ids.into_iter().map(order).collect()
    }

    #[test]
    fn many_ids_without_large_gaps_are_a_range() {
        assert_eq!(of_orders(&[]), None);
        assert_eq!(of_orders(&orders([9])), Some((OfOrders::In(1), vec![9])));
        assert_eq!(of_orders(&orders([1, 7, 5])), Some((OfOrders::In(4), vec![1, 7, 5, 5])));
        let range = Some((OfOrders::Between, vec![100, 149]));
        assert_eq!(of_orders(&orders((100..150).rev())), range);
        let gap = orders((100..150).chain([i64::MAX, i64::MIN]));
        assert_eq!(of_orders(&gap).unwrap().0, OfOrders::In(64));
    }

    #[test]
    fn orders_fit_up_to_the_size_of_a_page_and_one_in_any_case() {
        let fitting = |sizes: &[usize], max| fitting(sizes.iter().copied(), max);
        assert_eq!(fitting(&[10, 20, 30], 60), 3);
        assert_eq!(fitting(&[10, 20, 30], 59), 2);
        assert_eq!(fitting(&[10, usize::MAX, 1], 59), 1);
        assert_eq!(fitting(&[60, 1], 59), 1);
        assert_eq!(fitting(&[], 59), 1);
    }

    #[test]
    fn no_order_is_larger_than_its_size() {
        let name = "\u{1f980}".repeat(200);
        let description = Some("x".repeat(2000));
        let row = (i64::MAX, i64::MAX, i32::MAX, Money::default(), name);
        for item in [None, Some((Money::MAX, description))] {
            let mut order = orders([i64::MAX]).remove(0);
            order.add(line(row.clone(), item).unwrap()).unwrap();
            let json = serde_json::to_string(&order).unwrap();
            assert!(json.len() <= size(&order), "{} {}", json.len(), size(&order));
        }
    }
}
