//! Reports: sums over many orders, computed by the database.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use entity::{Money, item, order_items, orders};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, FromQueryResult, JoinType,
    Order, QueryFilter, QueryOrder, QuerySelect, RelationTrait,
    sea_query::{Alias, Expr, Func, SimpleExpr},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Error, Result, Violation};

/// Greatest number of periods of a report: ten years of days.
pub const MAX_PERIODS: usize = 3660;

/// Length of a period of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Day, UTC.
    Day,
    /// Calendar month, UTC.
    Month,
}

/// Orders of a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Revenue {
    /// `2024-03-18` for a day, `2024-03` for a month.
    #[schema(example = "2024-03-18")]
    pub period: String,
    /// Number of orders placed.
    #[schema(example = 2)]
    pub orders: i64,
    /// Sum of the orders; beyond fifteen digits rounded to the nearest double.
    #[schema(value_type = f64, example = 42.5)]
    pub revenue: Money,
}

/// Orders of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, FromQueryResult)]
pub struct BestSeller {
    /// Id of the item.
    #[schema(example = 4)]
    pub item_id: i64,
    /// Name of the item.
    #[schema(example = "Onion")]
    pub name: String,
    /// Number of pieces ordered.
    #[schema(example = 5)]
    pub quantity: i64,
    /// Sum of the orders; beyond fifteen digits rounded to the nearest double.
    #[schema(value_type = f64, example = 42.5)]
    pub revenue: Money,
}

#[derive(FromQueryResult)]
struct Sum {
    period: String,
    orders: i64,
    revenue: Money,
}

/// Returns number and sum of the orders placed at `from` or later and before `to`, by period, including periods without
/// orders. One statement: lines are joined.
///
/// # Errors
/// [`Error::Invalid`] for more than [`MAX_PERIODS`] periods.
pub async fn revenue(
    db: &impl ConnectionTrait,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    by: Period,
) -> Result<Vec<Revenue>> {
    let names = names(from, to, by)?;
    let backend = db.get_database_backend();
    let sums: Vec<Sum> = orders::Entity::find()
        .join(JoinType::LeftJoin, orders::Relation::OrderItems.def())
        .filter(orders::Column::OrderTime.gte(from.naive_utc()))
        .filter(orders::Column::OrderTime.lt(to.naive_utc()))
        .select_only()
        .column_as(period(backend, by), "period")
        .column_as(Expr::col((orders::Entity, orders::Column::Id)).count_distinct(), "orders")
        .column_as(order_items::sum_of_item_totals(backend), "revenue")
        .group_by(Expr::col(Alias::new("period")))
        .order_by(Expr::col(Alias::new("period")), Order::Asc)
        .into_model()
        .all(db)
        .await?;
    let mut sums: HashMap<String, Sum> =
        sums.into_iter().map(|sum| (sum.period.clone(), sum)).collect();
    let row = |period: String| match sums.remove(&period) {
        Some(Sum { period, orders, revenue }) => Revenue { period, orders, revenue },
        None => Revenue { period, orders: 0, revenue: Money::default() },
    };
    Ok(names.into_iter().map(row).collect())
}

/// Returns the items of which most pieces were ordered at `from` or later and before `to`. One statement: orders and
/// items are joined.
pub async fn best_sellers(
    db: &impl ConnectionTrait,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<BestSeller>> {
    let backend = db.get_database_backend();
    let quantity = Func::sum(Expr::col(order_items::Column::Quantity));
    let quantity = quantity.cast_as(order_items::integer_type(backend));
    let items = order_items::Entity::find()
        .join(JoinType::InnerJoin, order_items::Relation::Orders.def())
        .join(JoinType::InnerJoin, order_items::Relation::Item.def())
        .filter(orders::Column::OrderTime.gte(from.naive_utc()))
        .filter(orders::Column::OrderTime.lt(to.naive_utc()))
        .select_only()
        .column_as(item::Column::Id, "item_id")
        .column_as(item::Column::Name, "name")
        .column_as(quantity, "quantity")
        .column_as(order_items::sum_of_item_totals(backend), "revenue")
        .group_by(item::Column::Id)
        .group_by(item::Column::Name)
        .order_by(Expr::col(Alias::new("quantity")), Order::Desc)
        .order_by(item::Column::Id, Order::Asc)
        .limit(limit)
        .into_model()
        .all(db)
        .await?;
    Ok(items)
}

/// Start of the time as text: ten characters are its day, seven its month.
fn period(backend: DbBackend, by: Period) -> SimpleExpr {
    let text = if backend == DbBackend::MySql { "CHAR" } else { "TEXT" };
    let time = Expr::col((orders::Entity, orders::Column::OrderTime)).cast_as(text);
    let length = match by {
        Period::Day => 10,
        Period::Month => 7,
    };
    Func::cust("SUBSTR").arg(time).arg(1).arg(length).into()
}

/// Returns the names of the periods.
fn names(from: DateTime<Utc>, to: DateTime<Utc>, by: Period) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let (mut day, format) = match by {
        Period::Day => (Some(from.date_naive()), "%Y-%m-%d"),
        Period::Month => (from.date_naive().with_day(1), "%Y-%m"),
    };
    while let Some(begin) = day.filter(|day| day.and_time(chrono::NaiveTime::MIN) < to.naive_utc())
    {
        if names.len() == MAX_PERIODS {
            return Err(Error::Invalid(vec![Violation::TooManyPeriods { most: MAX_PERIODS }]));
        }
        names.push(begin.format(format).to_string());
        day = next(begin, by);
    }
    Ok(names)
}

fn next(day: NaiveDate, by: Period) -> Option<NaiveDate> {
    match by {
        Period::Day => day.checked_add_days(Days::new(1)),
        Period::Month => day.checked_add_months(Months::new(1)),
    }
}
