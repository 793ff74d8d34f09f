//! Customers, each with an address of their own and their orders.

use sea_orm::entity::prelude::*;

/// Row of `customer`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "customer")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub name: String,
    #[sea_orm(unique)]
    pub address_id: i64,
    #[sea_orm(belongs_to, from = "address_id", to = "id")]
    pub address: BelongsTo<super::address::Entity>,
    #[sea_orm(has_many)]
    pub orders: HasMany<super::orders::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
