//! An order: who placed it, when, and its lines.

use sea_orm::entity::prelude::*;

/// A row of `orders`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub customer_id: i64,
    /// When it was placed: UTC, to the microsecond.
    ///
    /// Without an offset, because MySQL takes a bound time with one for a `TIMESTAMP`, which ends in 2038.
    pub order_time: DateTime,
    #[sea_orm(belongs_to, from = "customer_id", to = "id")]
    pub customer: BelongsTo<super::customer::Entity>,
    #[sea_orm(has_many)]
    pub order_items: HasMany<super::order_items::Entity>,
    #[sea_orm(has_many, via = "order_items")]
    pub items: HasMany<super::item::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
