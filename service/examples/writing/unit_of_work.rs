//! Writes through active models, inside of a transaction of the caller.

use chrono::{DateTime, Utc};
use entity::{Money, item, order_items, orders};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, ModelTrait, QueryFilter,
};

/// Inserts an order with one line for each pair of item id and quantity, at the items' current prices.
pub async fn insert_order(
    txn: &impl ConnectionTrait,
    customer_id: i64,
    lines: &[(i64, i32)],
    now: DateTime<Utc>,
) -> Result<orders::Model, DbErr> {
    let ids = lines.iter().map(|(id, _)| *id);
    let items = item::Entity::find().filter(item::Column::Id.is_in(ids)).all(txn).await?;
    let order = orders::ActiveModel {
        customer_id: Set(customer_id),
        order_time: Set(now.naive_utc()),
        ..Default::default()
    };
    let order = order.insert(txn).await?;
    let row = |(item_id, quantity): &(i64, i32)| {
        let item = items.iter().find(|item| item.id == *item_id);
        let item = item.ok_or_else(|| DbErr::RecordNotFound(format!("item {item_id}")))?;
        Ok::<_, DbErr>(order_items::ActiveModel {
            order_id: Set(order.id),
            item_id: Set(item.id),
            quantity: Set(*quantity),
            unit_price_cents: Set(item.price_cents),
        })
    };
    let rows = lines.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    order_items::Entity::insert_many(rows).exec_without_returning(txn).await?;
    Ok(order)
}

/// Inserts an item.
pub async fn insert_item(
    txn: &impl ConnectionTrait,
    name: &str,
    cents: i64,
) -> Result<item::Model, DbErr> {
    let item = item::ActiveModel {
        name: Set(name.to_owned()),
        price_cents: Set(Money::from_cents(cents)),
        description: Set(None),
        ..Default::default()
    };
    item.insert(txn).await
}

/// Changes the price of a loaded item; only the changed column is written.
pub async fn set_price(
    txn: &impl ConnectionTrait,
    item: item::Model,
    cents: i64,
) -> Result<item::Model, DbErr> {
    let mut item = item.into_active_model();
    item.price_cents = Set(Money::from_cents(cents));
    item.update(txn).await
}

/// Deletes a loaded item.
pub async fn delete_item(txn: &impl ConnectionTrait, item: item::Model) -> Result<(), DbErr> {
    item.delete(txn).await.map(drop)
}
