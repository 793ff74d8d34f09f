//! Both halves of the hybrid property `item_total`.

use entity::{
    Money,
    order_items::{self, Column, Entity},
    orders,
};
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, ExprTrait, ModelTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

/// Sums up the loaded lines of an order; `None` for an unknown order.
pub async fn total_in_rust(
    db: &impl ConnectionTrait,
    order_id: i64,
) -> Result<Option<Money>, DbErr> {
    let Some(order) = orders::Entity::find_by_id(order_id).one(db).await? else { return Ok(None) };
    let lines = order.find_related(Entity).all(db).await?;
    Ok(lines.iter().try_fold(Money::default(), |sum, line| sum.plus(line.item_total()?)))
}

/// Lets the database sum up the lines of an order; `None` for an unknown order.
pub async fn total_in_sql(
    db: &impl ConnectionTrait,
    order_id: i64,
) -> Result<Option<Money>, DbErr> {
    orders::Entity::find_by_id(order_id)
        .left_join(Entity)
        .select_only()
        .expr(order_items::sum_of_item_totals(db.get_database_backend()))
        .group_by(orders::Column::Id)
        .into_tuple()
        .one(db)
        .await
}

/// Returns item and total of the lines of more than `cents`, the greatest first.
pub async fn lines_over(db: &impl ConnectionTrait, cents: i64) -> Result<Vec<(i64, Money)>, DbErr> {
    Entity::find()
        .select_only()
        .column(Column::ItemId)
        .expr(order_items::item_total())
        .filter(order_items::item_total().gt(cents))
        .order_by_desc(order_items::item_total())
        .order_by_asc(Column::OrderId)
        .into_tuple()
        .all(db)
        .await
}
