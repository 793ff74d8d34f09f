//! Filling an empty database: with the tutorial's rows, or with as many plausible ones as wanted.

mod demo;
mod generate;

pub use demo::demo;
use entity::{address, customer, item, orders};
pub use generate::{Plan, Progress, generate};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityName, EntityTrait,
    SelectExt,
};

use crate::{Error, Result};

async fn refuse_unless_empty(txn: &DatabaseTransaction) -> Result<()> {
    // The other tables cannot hold a row without one of these.
    let addresses = address::Entity::find().exists(txn).await?;
    let items = item::Entity::find().exists(txn).await?;
    if addresses || items { Err(Error::NotEmpty) } else { Ok(()) }
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
