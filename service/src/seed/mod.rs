//! Seeding of an empty database: with the tutorial's rows, or with generated ones.

mod demo;
mod generate;
mod words;

pub use demo::demo;
use entity::{address, customer, item, orders};
pub use generate::{Plan, Progress, generate};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityName, EntityTrait,
    ExprTrait, SelectExt,
    sea_query::{Alias, Expr, Func, Query},
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

/// Sets PostgreSQL's sequences to the greatest ids that were inserted; the other databases do so themselves.
async fn reset_sequences(txn: &DatabaseTransaction) -> Result<()> {
    if txn.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for table in [
        address::Entity.table_name(),
        customer::Entity.table_name(),
        item::Entity.table_name(),
        orders::Entity.table_name(),
    ] {
        let sequence = Func::cust("pg_get_serial_sequence").arg(table).arg("id");
        let last = Expr::col(Alias::new("id")).max();
        let reset = Func::cust("setval").arg(sequence).arg(last);
        txn.query_one(Query::select().expr(reset).from(Alias::new(table))).await?;
    }
    Ok(())
}
