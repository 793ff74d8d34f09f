//! Seeding of an empty database: with the tutorial's rows, or with generated ones.

mod demo;
mod generate;
mod plan;
mod words;

pub use demo::demo;
use entity::{address, item};
pub use generate::generate;
pub use plan::Plan;
use sea_orm::{DatabaseTransaction, EntityTrait, SelectExt};

use crate::{Error, database::WorkFuture};

fn refuse_unless_empty(txn: &DatabaseTransaction) -> WorkFuture<'_, ()> {
    Box::pin(async {
        // The other tables cannot hold a row without one of these.
        let addresses = address::Entity::find().exists(txn).await?;
        let items = item::Entity::find().exists(txn).await?;
        if addresses || items { Err(Error::NotEmpty) } else { Ok(()) }
    })
}
