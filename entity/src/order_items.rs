//! A line of an order: so many of one item, at the price of the moment the order was placed.

use sea_orm::{
    DbBackend, ExprTrait,
    entity::prelude::*,
    sea_query::{Expr, Func, SimpleExpr},
};

use crate::Money;

/// A row of `order_items`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order_items")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub item_id: i64,
    /// More than 0.
    pub quantity: i32,
    /// Copied from the item when the order was placed.
    pub unit_price_cents: Money,
    #[sea_orm(belongs_to, from = "order_id", to = "id")]
    pub order: BelongsTo<super::orders::Entity>,
    #[sea_orm(belongs_to, from = "item_id", to = "id")]
    pub item: BelongsTo<super::item::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Unit price × quantity of a loaded line; `None` where that is more than [`Money::MAX`].
    ///
    /// [`item_total`] is the same inside SQL.
    #[must_use]
    pub fn item_total(&self) -> Option<Money> {
        self.unit_price_cents.times(self.quantity)
    }
}

/// Unit price × quantity as an SQL expression, in cents: the other half of [`Model::item_total`].
#[must_use]
pub fn item_total() -> SimpleExpr {
    Expr::col((Entity, Column::UnitPriceCents)).mul(Expr::col((Entity, Column::Quantity)))
}

/// The sum of [`item_total`] over the lines of a group, in cents; 0 where there is no line.
///
/// PostgreSQL and MySQL sum a `BIGINT` as a decimal, hence the cast back.
#[must_use]
pub fn sum_of_item_totals(backend: DbBackend) -> SimpleExpr {
    let integer = match backend {
        DbBackend::MySql => "SIGNED",
        _ => "BIGINT",
    };
    let sum = Func::sum(item_total()).cast_as(integer);
    Func::coalesce([sum, Expr::val(0_i64)]).into()
}
