//! What orders come to, added up by the database.

use entity::{Money, order_items, orders};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::{Database, Error, Fault, Result, tasks::in_tasks};

/// The most orders that one request may ask the totals of.
pub const MAX_TOTALS: usize = 1000;

/// What an order comes to; 0 where it has no lines. One statement.
///
/// # Errors
/// [`Error::NotFound`] for an unknown order.
pub async fn total(db: &impl ConnectionTrait, order_id: i64) -> Result<Money> {
    find_total(db, order_id).await?.ok_or(Error::NotFound { what: "order", id: order_id })
}

/// What each of the orders comes to, position by position; `None` for an unknown one.
///
/// Each order is a task with a connection of its own; when one fails, the others are cancelled.
///
/// # Errors
/// [`Error::Invalid`] for more than [`MAX_TOTALS`] ids.
pub async fn totals(db: &Database, order_ids: Vec<i64>) -> Result<Vec<Option<Money>>> {
    if order_ids.len() > MAX_TOTALS {
        let detail = format!("{} ids are more than {MAX_TOTALS}", order_ids.len());
        return Err(Error::Invalid(vec![Fault::new("/orders", detail)]));
    }
    in_tasks(order_ids, db.tasks_per_request(), |order_id| {
        let db = db.clone();
        async move { find_total(db.reader(), order_id).await }
    })
    .await
}

async fn find_total(db: &impl ConnectionTrait, order_id: i64) -> Result<Option<Money>> {
    let sum = order_items::sum_of_item_totals(db.get_database_backend());
    let total: Option<Money> = orders::Entity::find()
        .left_join(order_items::Entity)
        .filter(orders::Column::Id.eq(order_id))
        .group_by(orders::Column::Id)
        .select_only()
        .column_as(sum, "total")
        .into_tuple()
        .one(db)
        .await?;
    match total {
        Some(total) if !total.is_valid() => {
            Err(Error::AmountOutOfRange(format!("order {order_id}")))
        }
        total => Ok(total),
    }
}
