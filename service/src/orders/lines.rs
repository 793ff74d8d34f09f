//! The lines of an order, gathered by the database into one JSON text.
//!
//! An order is one row of its statement that way, however many its lines: moving and decoding a row costs
//! more than the database's own work on it.

use entity::{Money, item, order_items, orders};
use sea_orm::{
    DbBackend, EntityTrait, ExprTrait, QueryFilter, QuerySelect, QueryTrait, StatementBuilder,
    sea_query::{Expr, Func, FunctionCall, SimpleExpr},
};
use serde::Deserialize;

use super::Line;
use crate::{Error, Result, items::Item, statement::PerBackend};

/// The lines of the order at hand as an array of arrays, in no order; for a statement on `orders`.
pub fn gathered(backend: DbBackend, with_item: bool) -> SimpleExpr {
    // It is the same text each time: half of what building a whole statement takes.
    static BARE: PerBackend<String> = PerBackend::new();
    static WITH_ITEM: PerBackend<String> = PerBackend::new();
    let text = if with_item { &WITH_ITEM } else { &BARE };
    Expr::cust(text.get_or_make(backend, || write(backend, with_item)).clone())
}

/// Without arguments: what is bound would be lost.
fn write(backend: DbBackend, with_item: bool) -> String {
    let mut line = vec![
        Expr::col((order_items::Entity, order_items::Column::ItemId)),
        of_item(item::Column::Name),
        Expr::col((order_items::Entity, order_items::Column::Quantity)),
        Expr::col((order_items::Entity, order_items::Column::UnitPriceCents)),
    ];
    if with_item {
        line.extend([item::Column::PriceCents, item::Column::Description].map(of_item));
    }
    let this_order = Expr::col((order_items::Entity, order_items::Column::OrderId))
        .equals((orders::Entity, orders::Column::Id));
    let lines = order_items::Entity::find()
        .filter(this_order)
        .select_only()
        .expr(array_of(backend, line))
        .into_query();
    format!("({})", StatementBuilder::build(&lines, &backend).sql)
}

/// A column of the line's item. It is looked up: joined here, PostgreSQL would read all items for each order.
fn of_item(column: item::Column) -> Expr {
    let this_item = Expr::col((item::Entity, item::Column::Id))
        .equals((order_items::Entity, order_items::Column::ItemId));
    item::Entity::find().filter(this_item).select_only().column(column).into_query().into()
}

fn array_of(backend: DbBackend, line: Vec<Expr>) -> SimpleExpr {
    let (array, array_agg, text) = match backend {
        DbBackend::Sqlite => ("json_array", "json_group_array", "TEXT"),
        DbBackend::Postgres => ("json_build_array", "json_agg", "TEXT"),
        _ => ("JSON_ARRAY", "JSON_ARRAYAGG", "CHAR"),
    };
    let call =
        |name: &'static str, args: Vec<Expr>| -> FunctionCall { Func::cust(name).args(args) };
    let lines = call(array_agg, vec![call(array, line).into()]);
    Func::coalesce([Expr::from(lines).cast_as(text), Expr::cust("'[]'")]).into()
}

/// Reads what [`gathered`] wrote about an order.
pub fn read(order_id: i64, json: &str) -> Result<Vec<Line>> {
    let rows: Vec<Row> = serde_json::from_str(json)?;
    let lines = rows.into_iter().map(|row| row.line(order_id));
    let mut lines = lines.collect::<Result<Vec<_>>>()?;
    lines.sort_unstable_by_key(|line| line.item_id);
    Ok(lines)
}

/// Item, name, quantity and unit price in cents; then, if asked for, price in cents and description.
#[derive(Deserialize)]
struct Row(i64, String, i32, i64, #[serde(default)] Option<i64>, #[serde(default)] Option<String>);

impl Row {
    fn line(self, order_id: i64) -> Result<Line> {
        let Self(item_id, name, quantity, cents, price, description) = self;
        let unit_price = Money::from_cents(cents);
        let item_total = unit_price
            .times(quantity)
            .ok_or_else(|| Error::AmountOutOfRange(format!("order {order_id}, item {item_id}")))?;
        let item = price.map(|cents| Item {
            id: item_id,
            name: name.clone(),
            price: Money::from_cents(cents),
            description,
        });
        Ok(Line { item_id, name, quantity, unit_price, item_total, item })
    }
}
