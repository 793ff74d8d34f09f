//! The lines of an order, gathered by the database into one JSON text.
//!
//! An order is one row of its statement that way, however many its lines: moving and decoding a row costs
//! more than the database's own work on it.

use entity::{Money, item, order_items, orders};
use sea_orm::{
    DbBackend, EntityTrait, ExprTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, Func, FunctionCall, SimpleExpr},
};
use serde::Deserialize;

use super::Line;
use crate::{Error, Result, items::Item};

/// The lines of the order at hand as an array of arrays, in no order; for a statement on `orders`.
pub fn gathered(backend: DbBackend, with_item: bool) -> SimpleExpr {
    let mut line = vec![
        Expr::col((order_items::Entity, order_items::Column::ItemId)),
        Expr::col((item::Entity, item::Column::Name)),
        Expr::col((order_items::Entity, order_items::Column::Quantity)),
        Expr::col((order_items::Entity, order_items::Column::UnitPriceCents)),
    ];
    if with_item {
        line.push(Expr::col((item::Entity, item::Column::PriceCents)));
        line.push(Expr::col((item::Entity, item::Column::Description)));
    }
    let this_order = Expr::col((order_items::Entity, order_items::Column::OrderId))
        .equals((orders::Entity, orders::Column::Id));
    let lines = order_items::Entity::find()
        .inner_join(item::Entity)
        .filter(this_order)
        .select_only()
        .expr(array_of(backend, line))
        .into_query();
    lines.into()
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
    Func::coalesce([Expr::from(lines).cast_as(text), Expr::val("[]")]).into()
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
