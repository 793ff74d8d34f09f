//! Lines of orders: the quantity of one item, at its price when the order was placed.

use sea_orm::{
    DbBackend, ExprTrait,
    entity::prelude::*,
    sea_query::{Expr, Func, SimpleExpr},
};

use crate::Money;

/// Row of `order_items`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order_items")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub item_id: i64,
    /// Number of pieces, greater than 0.
    pub quantity: i32,
    /// Price of the item when the order was placed.
    pub unit_price_cents: Money,
    #[sea_orm(belongs_to, from = "order_id", to = "id")]
    pub order: BelongsTo<super::orders::Entity>,
    #[sea_orm(belongs_to, from = "item_id", to = "id")]
    pub item: BelongsTo<super::item::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Returns unit price × quantity; `None` if that is more than [`Money::MAX`].
    ///
    /// [`item_total`] is the same inside SQL.
    #[must_use]
    pub fn item_total(&self) -> Option<Money> {
        self.unit_price_cents.times(self.quantity)
    }
}

/// SQL expression of unit price × quantity, in cents: the counterpart of [`Model::item_total`].
#[must_use]
pub fn item_total() -> SimpleExpr {
    Expr::col((Entity, Column::UnitPriceCents)).mul(Expr::col((Entity, Column::Quantity)))
}

/// SQL expression of the sum of [`item_total`] over the lines of a group, in cents; 0 if it has no lines.
#[must_use]
pub fn sum_of_item_totals(backend: DbBackend) -> SimpleExpr {
    let sum = Func::sum(item_total()).cast_as(integer_type(backend));
    Func::coalesce([sum, Expr::Constant(0_i64.into())]).into()
}

/// Name of the integer type for casts: PostgreSQL and MySQL sum integers as decimals.
#[must_use]
pub const fn integer_type(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::MySql => "SIGNED",
        _ => "BIGINT",
    }
}
