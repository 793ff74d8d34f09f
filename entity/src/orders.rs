//! Orders with their customer and their lines.

use sea_orm::entity::prelude::*;

/// Row of `orders`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub customer_id: i64,
    /// Time at which the order was placed: UTC, to the microsecond.
    ///
    /// Without an offset, since sqlx binds a time with one as MySQL's `TIMESTAMP`, which ends in 2038.
    pub order_time: DateTime,
    #[sea_orm(belongs_to, from = "customer_id", to = "id")]
    pub customer: BelongsTo<super::customer::Entity>,
    #[sea_orm(has_many)]
    pub order_items: HasMany<super::order_items::Entity>,
    #[sea_orm(has_many, via = "order_items")]
    pub items: HasMany<super::item::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
