//! What orders come to, added up by the database.

use entity::{Money, order_items, orders};
use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait, QuerySelect, QueryTrait, sea_query::SelectStatement,
};

use crate::{Database, Error, Fault, Result, statement::ById, tasks::in_tasks};

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
/// [`Error::Invalid`] for more than `most` ids.
pub async fn totals(db: &Database, order_ids: Vec<i64>, most: usize) -> Result<Vec<Option<Money>>> {
    if order_ids.len() > most {
        let detail = format!("{} ids are more than {most}", order_ids.len());
        return Err(Error::Invalid(vec![Fault::new("/orders", detail)]));
    }
    in_tasks(order_ids, db.tasks_per_request(), |order_id| {
        let db = db.clone();
        async move { find_total(db.reader(), order_id).await }
    })
    .await
}

async fn find_total(db: &impl ConnectionTrait, order_id: i64) -> Result<Option<Money>> {
    static STATEMENT: ById = ById::new(total_of);
    let statement = STATEMENT.bind(db.get_database_backend(), order_id);
    let Some(row) = db.query_one_raw(statement).await? else { return Ok(None) };
    let total: Money = row.try_get_by(0)?;
    if !total.is_valid() {
        return Err(Error::AmountOutOfRange(format!("order {order_id}")));
    }
    Ok(Some(total))
}

fn total_of(backend: DbBackend, order_id: i64) -> SelectStatement {
    orders::Entity::find_by_id(order_id)
        .left_join(order_items::Entity)
        .group_by(orders::Column::Id)
        .select_only()
        .expr(order_items::sum_of_item_totals(backend))
        .into_query()
}
