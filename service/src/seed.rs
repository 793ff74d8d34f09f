//! Filling an empty database: with the tutorial's rows, or with as many plausible ones as wanted.

mod demo;
mod generate;

pub use demo::demo;
use entity::{address, customer, item, orders};
pub use generate::{Plan, Progress, generate};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityName, EntityTrait,
    QuerySelect,
};

use crate::{Error, Result};

async fn nothing_stored(db: &impl ConnectionTrait) -> Result<bool> {
    // The others cannot hold a row without one of these.
    Ok(!exists::<address::Entity>(db).await? && !exists::<item::Entity>(db).await?)
}

async fn exists<E: EntityTrait>(db: &impl ConnectionTrait) -> Result<bool> {
    let row: Option<i32> = E::find()
        .select_only()
        .expr(sea_orm::sea_query::Expr::val(1))
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok(row.is_some())
}

async fn refuse_unless_empty(txn: &DatabaseTransaction) -> Result<()> {
    if nothing_stored(txn).await? { Ok(()) } else { Err(Error::NotEmpty) }
}

async fn insert<A>(txn: &DatabaseTransaction, models: Vec<A>) -> Result<()>
where
    A: ActiveModelTrait + Send,
{
    A::Entity::insert_many(models).exec_without_returning(txn).await?;
    Ok(())
}

/// Lets PostgreSQL count on from the ids that were given; the others do so by themselves.
async fn count_on(txn: &DatabaseTransaction) -> Result<()> {
    if txn.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for table in [
        address::Entity.table_name(),
        customer::Entity.table_name(),
        item::Entity.table_name(),
        orders::Entity.table_name(),
    ] {
        let sql =
            format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}");
        txn.execute_unprepared(&sql).await?;
    }
    Ok(())
}
