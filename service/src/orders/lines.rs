//! Lines of orders with their items, loaded for a whole page at a time.

use std::collections::HashMap;

use entity::{
    Money, item,
    order_items::{self, Column, Entity},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select, Value,
};

use super::{Line, Order};
use crate::{
    Error, Result,
    database::query::{CompiledQuery, pad},
    items::Item,
};

/// Columns of a line and its item: order, item, quantity, unit price, name.
pub(super) type LineRow = (i64, i64, i32, Money, String);

/// The same with price and description of the item, which is expanded.
type ExpandedRow = (i64, i64, i32, Money, String, Money, Option<String>);

/// Loads the lines of all `orders`, each by item id. One statement, none without orders: items are joined.
///
/// Compiled: streams load lines for each of their pages.
pub(super) async fn load(
    db: &impl ConnectionTrait,
    orders: &mut [Order],
    with_item: bool,
) -> Result<()> {
    static PLAIN: CompiledQuery<LineRow, OfOrders> = CompiledQuery::new();
    static EXPANDED: CompiledQuery<ExpandedRow, OfOrders> = CompiledQuery::new();
    let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
    let Some((of_orders, ids)) = of_orders(&ids) else { return Ok(()) };
    let values = ids.iter().map(|id| Value::from(*id)).collect();
    let mut by_id: HashMap<i64, &mut Order> =
        orders.iter_mut().map(|order| (order.id, order)).collect();
    if with_item {
        let price_and_description = [item::Column::PriceCents, item::Column::Description];
        let build = |_| select(of_orders, &ids).columns(price_and_description).into_query();
        for row in EXPANDED.all(db, of_orders, values, build).await? {
            let (order_id, item_id, quantity, unit_price, name, price, description) = row;
            if let Some(order) = by_id.get_mut(&order_id) {
                let row = (order_id, item_id, quantity, unit_price, name);
                order.add(line(row, Some((price, description)))?)?;
            }
        }
    } else {
        let build = |_| select(of_orders, &ids).into_query();
        for row in PLAIN.all(db, of_orders, values, build).await? {
            if let Some(order) = by_id.get_mut(&row.0) {
                order.add(line(row, None)?)?;
            }
        }
    }
    Ok(())
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

/// Returns the condition for orders with the given ids and the values of the condition; `None` without ids.
///
/// Many ids without large gaps, as in a stream by time, are a range, which is cheaper to search than a list; its lines of
/// other orders are skipped.
fn of_orders(ids: &[i64]) -> Option<(OfOrders, Vec<i64>)> {
    let (first, last) = (*ids.iter().min()?, *ids.iter().max()?);
    let span = usize::try_from(last.abs_diff(first)).unwrap_or(usize::MAX);
    if ids.len() > SHORT_LIST && span < 2 * ids.len() {
        return Some((OfOrders::Between, vec![first, last]));
    }
    let ids: Vec<i64> = pad(ids).collect();
    Some((OfOrders::In(ids.len()), ids))
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

    #[test]
    fn many_ids_without_large_gaps_are_a_range() {
        assert_eq!(of_orders(&[]), None);
        assert_eq!(of_orders(&[9]), Some((OfOrders::In(1), vec![9])));
        assert_eq!(of_orders(&[1, 7, 5]), Some((OfOrders::In(4), vec![1, 7, 5, 5])));
        let mut ids: Vec<i64> = (100..150).rev().collect();
        assert_eq!(of_orders(&ids), Some((OfOrders::Between, vec![100, 149])));
        ids.push(i64::MAX);
        ids.push(i64::MIN);
        assert_eq!(of_orders(&ids).unwrap().0, OfOrders::In(64));
    }
}
