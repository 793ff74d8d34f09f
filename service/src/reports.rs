//! Reports: sums over many orders, computed by the database.

use std::{collections::HashMap, ops::RangeInclusive};

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use entity::{MoneySum, item, money_sum, order_items, orders};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, JoinType, Order,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, RelationTrait,
    sea_query::{Asterisk, Expr, Func, Query, SelectStatement},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Error, Result, Violation, database::query::fetch};

/// Greatest number of periods of a report: ten years of days.
pub const MAX_PERIODS: usize = 3660;

/// Name of the subquery of totals of orders or of items, and of its columns.
const TOTALS: &str = "totals";
const TIME: &str = "time";
const CENTS: &str = "cents";
const ITEM_ID: &str = "item_id";
const QUANTITY: &str = "quantity";
const HIGH: &str = "high";
const LOW: &str = "low";

/// Length of a period of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Day, UTC.
    Day,
    /// Calendar month, UTC.
    Month,
}

impl Period {
    /// Format of the name of a period.
    const fn format(self) -> &'static str {
        match self {
            Self::Day => "%Y-%m-%d",
            Self::Month => "%Y-%m",
        }
    }
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
    /// Exact sum of the orders, as the nearest double.
    #[schema(value_type = f64, example = 42.5)]
    pub revenue: MoneySum,
}

/// Orders of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
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
    /// Exact sum of the orders, as the nearest double.
    #[schema(value_type = f64, example = 42.5)]
    pub revenue: MoneySum,
}

/// Returns number and sum of the orders placed at `from` or later and before `to`, by period, including periods without
/// orders. Two statements: the range of ids; the orders with their lines, of which the database makes a sum for each
/// order and then for each day.
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
    let mut sums = HashMap::<String, (i64, MoneySum)>::new();
    if let Some(ids) = ids_between(db, from, to).await? {
        let query = by_day(order_totals(ids, from, to, db.get_database_backend()), db);
        for (day, orders, high, low) in fetch::<(NaiveDate, i64, i64, i64)>(db, &query).await? {
            let (count, sum) = sums.entry(day.format(by.format()).to_string()).or_default();
            *count += orders;
            *sum = *sum + MoneySum::from_parts(high, low);
        }
    }
    let row = |period: String| {
        let (orders, revenue) = sums.remove(&period).unwrap_or_default();
        Revenue { period, orders, revenue }
    };
    Ok(names.into_iter().map(row).collect())
}

/// Returns the items of which most pieces were ordered at `from` or later and before `to`. Two statements: the range of
/// ids; the lines joined with their orders and, once they are summed up and limited, with their items.
pub async fn best_sellers(
    db: &impl ConnectionTrait,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<BestSeller>> {
    let Some(ids) = ids_between(db, from, to).await? else { return Ok(Vec::new()) };
    let query = named(item_totals(ids, from, to, limit, db.get_database_backend()));
    let rows = fetch::<(i64, String, i64, i64, i64)>(db, &query).await?;
    let item = |(item_id, name, quantity, high, low)| {
        let revenue = MoneySum::from_parts(high, low);
        BestSeller { item_id, name, quantity, revenue }
    };
    Ok(rows.into_iter().map(item).collect())
}

/// Returns the first and the last id of the orders of that time; `None` without orders.
///
/// Orders are stored roughly in the order of their times, and their lines by their ids. With this range as a condition
/// on the lines, whose time is in another table, the database reads the lines of a month and not all lines.
async fn ids_between(
    db: &impl ConnectionTrait,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Option<RangeInclusive<i64>>> {
    let id = orders::Column::Id;
    let range: Option<(i64, Option<i64>, Option<i64>)> = orders::Entity::find()
        .filter(placed_between(from, to))
        .select_only()
        // Without the count PostgreSQL may search all ids in their order for the first and the last of that time.
        .expr(id.count())
        .expr(id.min())
        .expr(id.max())
        .into_tuple()
        .one(db)
        .await?;
    Ok(range.and_then(|(_, first, last)| Some(first?..=last?)))
}

fn placed_between(from: DateTime<Utc>, to: DateTime<Utc>) -> Condition {
    let time = orders::Column::OrderTime;
    Condition::all().add(time.gte(from.naive_utc())).add(time.lt(to.naive_utc()))
}

/// Total of each order of that time, 0 without lines.
fn order_totals(
    ids: RangeInclusive<i64>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    backend: DbBackend,
) -> SelectStatement {
    let (first, last) = ids.into_inner();
    // A condition on the ids of the orders does not let PostgreSQL infer one on the lines.
    let lines = orders::Relation::OrderItems.def().on_condition(move |_, lines| {
        let order_id = Expr::col((lines, order_items::Column::OrderId));
        Condition::all().add(order_id.between(first, last))
    });
    orders::Entity::find()
        .join(JoinType::LeftJoin, lines)
        .filter(placed_between(from, to))
        // An order that was placed since the first statement counts neither as an order nor as revenue.
        .filter(orders::Column::Id.between(first, last))
        .select_only()
        .column_as(orders::Column::OrderTime, TIME)
        .column_as(order_items::sum_of_item_totals(backend), CENTS)
        .group_by(orders::Column::OrderTime)
        .group_by(orders::Column::Id)
        .into_query()
}

/// Day, number of orders and parts of the sum of the totals.
///
/// Groups by day for months too: a date is cheaper than the text of a time for each order, and the same function on all
/// databases.
fn by_day(totals: SelectStatement, db: &impl ConnectionTrait) -> SelectStatement {
    let day: Expr = Func::cust("DATE").arg(Expr::col(TIME)).into();
    let mut query = Query::select();
    query
        .from_subquery(totals, TOTALS)
        .expr(day.clone())
        .expr(Func::count(Expr::col(Asterisk)))
        .exprs(money_sum::parts(Expr::col(CENTS), db.get_database_backend()))
        .add_group_by([day]);
    query
}

/// Id, quantity and parts of the revenue of the items of which most pieces were ordered.
fn item_totals(
    ids: RangeInclusive<i64>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    limit: u64,
    backend: DbBackend,
) -> SelectStatement {
    let (first, last) = ids.into_inner();
    let quantity = Func::sum(Expr::col(order_items::Column::Quantity));
    let [high, low] = money_sum::parts(order_items::item_total(), backend);
    order_items::Entity::find()
        .join(JoinType::InnerJoin, order_items::Relation::Orders.def())
        .filter(placed_between(from, to))
        .filter(order_items::Column::OrderId.between(first, last))
        .select_only()
        .column_as(order_items::Column::ItemId, ITEM_ID)
        .column_as(quantity.cast_as(order_items::integer_type(backend)), QUANTITY)
        .column_as(high, HIGH)
        .column_as(low, LOW)
        .group_by(order_items::Column::ItemId)
        .order_by(Expr::col(QUANTITY), Order::Desc)
        .order_by(order_items::Column::ItemId, Order::Asc)
        .limit(limit)
        .into_query()
}

/// The totals with the names of their items.
fn named(totals: SelectStatement) -> SelectStatement {
    let item_id = (TOTALS, ITEM_ID);
    let mut query = Query::select();
    query
        .from_subquery(totals, TOTALS)
        .inner_join(item::Entity, Expr::col((item::Entity, item::Column::Id)).equals(item_id))
        .column(item_id)
        .column((item::Entity, item::Column::Name))
        .columns([QUANTITY, HIGH, LOW].map(|column| (TOTALS, column)))
        .order_by((TOTALS, QUANTITY), Order::Desc)
        .order_by(item_id, Order::Asc);
    query
}

/// Returns the names of the periods.
fn names(from: DateTime<Utc>, to: DateTime<Utc>, by: Period) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut day = match by {
        Period::Day => Some(from.date_naive()),
        Period::Month => from.date_naive().with_day(1),
    };
    while let Some(begin) = day.filter(|day| day.and_time(chrono::NaiveTime::MIN) < to.naive_utc())
    {
        if names.len() == MAX_PERIODS {
            return Err(Error::Invalid(vec![Violation::TooManyPeriods { most: MAX_PERIODS }]));
        }
        names.push(begin.format(by.format()).to_string());
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
