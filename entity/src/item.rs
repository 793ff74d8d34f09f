//! Items for sale, at prices that may change.

use sea_orm::entity::prelude::*;

use crate::Money;

/// Row of `item`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "item")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub name: String,
    /// Current price. An order keeps the price at which it was placed.
    pub price_cents: Money,
    pub description: Option<String>,
    #[sea_orm(has_many)]
    pub order_items: HasMany<super::order_items::Entity>,
    #[sea_orm(has_many, via = "order_items")]
    pub orders: HasMany<super::orders::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
