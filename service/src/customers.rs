//! Customers, with their addresses.

use entity::{address, customer};
use futures_util::Stream;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DerivePartialModel, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde::Serialize;

use crate::{Database, PAGE, Result, pages::pages};

/// A customer and where they live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, DerivePartialModel)]
#[sea_orm(entity = "customer::Entity")]
pub struct Customer {
    /// Not part of the tutorial's answer.
    #[serde(skip)]
    pub id: i64,
    /// What they are called.
    pub name: String,
    /// Where they live.
    #[sea_orm(nested)]
    pub address: Address,
}

/// Where a customer lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, DerivePartialModel)]
#[sea_orm(entity = "address::Entity")]
pub struct Address {
    /// The flat within the house.
    pub flat_number: i32,
    /// The post code of the house.
    pub post_code: i32,
}

/// All customers with their addresses, in the order of their ids: one joined statement a page.
pub fn stream(db: Database) -> impl Stream<Item = Result<Vec<Customer>>> {
    pages(
        move |after| {
            let db = db.clone();
            async move { page(db.reader(), after).await }
        },
        |customer| customer.id,
    )
}

async fn page(db: &impl ConnectionTrait, after: Option<i64>) -> Result<Vec<Customer>> {
    let mut customers = customer::Entity::find()
        .inner_join(address::Entity)
        .order_by_asc(customer::Column::Id)
        .limit(PAGE);
    if let Some(id) = after {
        customers = customers.filter(customer::Column::Id.gt(id));
    }
    Ok(customers.into_partial_model().all(db).await?)
}
