//! Totals of orders, summed up by the database.

use entity::{Money, order_items, orders};
use sea_orm::{ConnectionTrait, EntityTrait, QuerySelect, QueryTrait};

use crate::{
    Database, Error, Result, Violation,
    database::{query::CompiledQuery, tasks::in_tasks},
};

/// Greatest number of orders whose totals one request may ask for.
pub const MAX_TOTALS: usize = 1000;

/// Returns the total of an order; 0 if it has no lines. One statement.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn total(db: &impl ConnectionTrait, order_id: i64) -> Result<Money> {
    find_total(db, order_id).await?.ok_or(Error::NotFound { what: "order", id: order_id })
}

/// Returns the total of each order, position by position; `None` for an unknown one. One statement an order.
///
/// Each order is a task with a connection of its own; when one fails, the others are cancelled.
///
/// # Errors
/// [`Error::Invalid`] for more than `most` ids, or more than [`MAX_TOTALS`].
pub async fn totals(db: &Database, order_ids: Vec<i64>, most: usize) -> Result<Vec<Option<Money>>> {
    let most = most.min(MAX_TOTALS);
    if order_ids.len() > most {
        return Err(Error::Invalid(vec![Violation::TooManyIds { most }]));
    }
    in_tasks(order_ids, db.tasks_per_request(), |order_id| {
        let db = db.clone();
        async move { find_total(db.reader(), order_id).await }
    })
    .await
}

/// Compiled: building the text would take more than a tenth of the time.
async fn find_total(db: &impl ConnectionTrait, order_id: i64) -> Result<Option<Money>> {
    static TOTAL: CompiledQuery<Money, ()> = CompiledQuery::new();
    let build = |backend| {
        orders::Entity::find_by_id(order_id)
            .left_join(order_items::Entity)
            .select_only()
            .expr(order_items::sum_of_item_totals(backend))
            .group_by(orders::Column::Id)
            .into_query()
    };
    let total = TOTAL.one(db, (), vec![order_id.into()], build).await?;
    let Some(total) = total else { return Ok(None) };
    if !total.is_valid() {
        return Err(Error::AmountOutOfRange(format!("order {order_id}")));
    }
    Ok(Some(total))
}
