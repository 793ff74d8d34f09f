//! Ways to load relations. The tests compare them with what the service loads.

use entity::{address, customer, item, order_items, orders};
use sea_orm::{
    ConnectionTrait, DbErr, EntityLoaderTrait, EntityTrait, LoaderTrait, ModelTrait, QueryOrder,
};

/// Loads customers with their address by a join: SQLAlchemy's `lazy="joined"`.
pub async fn customers_joined(
    db: &impl ConnectionTrait,
) -> Result<Vec<(customer::Model, address::Model)>, DbErr> {
    customer::Entity::find()
        .find_both_related(address::Entity)
        .order_by_asc(customer::Column::Id)
        .all(db)
        .await
}

/// Order with loaded relations.
pub struct LoadedOrder {
    pub order: orders::Model,
    pub customer: customer::Model,
    /// Lines with their items.
    pub lines: Vec<(order_items::Model, item::Model)>,
}

/// Loads orders, then each relation of all of them by one `IN` query: SQLAlchemy's `lazy="selectin"`.
pub async fn orders_select_in(db: &impl ConnectionTrait) -> Result<Vec<LoadedOrder>, DbErr> {
    let orders = orders::Entity::find().order_by_asc(orders::Column::Id).all(db).await?;
    let customers = orders.load_one(customer::Entity, db).await?;
    let lines = orders.load_many(order_items::Entity, db).await?;
    let all_lines: Vec<_> = lines.iter().flatten().cloned().collect();
    let mut items = all_lines.load_one(item::Entity, db).await?.into_iter().flatten();
    let mut loaded = Vec::new();
    for ((order, customer), lines) in orders.into_iter().zip(customers).zip(lines) {
        // Foreign keys: each order has a customer, each line an item.
        let Some(customer) = customer else { continue };
        let lines = lines.into_iter().zip(items.by_ref()).collect();
        loaded.push(LoadedOrder { order, customer, lines });
    }
    Ok(loaded)
}

/// Loads the address of a loaded customer: SQLAlchemy's `await customer.awaitable_attrs.address`.
pub async fn address_of(
    db: &impl ConnectionTrait,
    customer_id: i64,
) -> Result<Option<address::Model>, DbErr> {
    let Some(customer) = customer::Entity::find_by_id(customer_id).one(db).await? else {
        return Ok(None);
    };
    customer.find_related(address::Entity).one(db).await
}

/// Counts orders by one statement a customer: the N+1 problem. The `await` in the loop shows it.
pub async fn orders_n_plus_one(db: &impl ConnectionTrait) -> Result<usize, DbErr> {
    let mut count = 0;
    for customer in customer::Entity::find().all(db).await? {
        count += customer.find_related(orders::Entity).all(db).await?.len();
    }
    Ok(count)
}

/// Loads an order with its customer, lines and items by the entity loader: to-one relations are joined, each to-many
/// relation is one more statement.
pub async fn order_by_loader(
    db: &impl ConnectionTrait,
    id: i64,
) -> Result<Option<orders::ModelEx>, DbErr> {
    orders::Entity::load()
        .filter_by_id(id)
        .with(customer::Entity)
        .with((order_items::Entity, item::Entity))
        .one(db)
        .await
}

/// Loads an order with its lines and their items by one joined statement.
pub async fn order_joined(
    db: &impl ConnectionTrait,
    id: i64,
) -> Result<Option<(orders::Model, Vec<(order_items::Model, Vec<item::Model>)>)>, DbErr> {
    let orders = orders::Entity::find_by_id(id)
        .find_also_related(order_items::Entity)
        .and_also_related(item::Entity)
        .order_by_asc(order_items::Column::ItemId)
        .consolidate()
        .all(db)
        .await?;
    Ok(orders.into_iter().next())
}

/// Loads the customer who lives at an address: the other end of the one-to-one relation.
pub async fn customer_at(
    db: &impl ConnectionTrait,
    address: &address::Model,
) -> Result<Option<customer::Model>, DbErr> {
    address.find_related(customer::Entity).one(db).await
}

/// Loads the orders of an item through the junction table.
pub async fn orders_of_item(
    db: &impl ConnectionTrait,
    item: &item::Model,
) -> Result<Vec<orders::Model>, DbErr> {
    item.find_related(orders::Entity).order_by_asc(orders::Column::Id).all(db).await
}

/// Loads the items of an order through the junction table, which drops the quantities of the lines.
pub async fn items_of_order(
    db: &impl ConnectionTrait,
    order: &orders::Model,
) -> Result<Vec<item::Model>, DbErr> {
    order.find_related(item::Entity).order_by_asc(item::Column::Id).all(db).await
}
