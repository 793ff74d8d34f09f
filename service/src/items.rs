//! Items: what is for sale.

use chrono::{DateTime, Utc};
use entity::{Money, item, order_items};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, DerivePartialModel,
    EntityTrait, NotSet, QueryFilter, QuerySelect, Set, Unchanged,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Database, Error, Result,
    idempotency::{self, Created, IdempotencyKey, Identified},
    list::{Key, Page, Position, SortField, Window, starts_with},
    version::Precondition,
};

/// Something for sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, DerivePartialModel)]
#[sea_orm(entity = "item::Entity")]
pub struct Item {
    /// Its id.
    #[schema(example = 3)]
    pub id: i64,
    /// What it is called.
    #[schema(example = "Bread")]
    pub name: String,
    /// Today's price; an order keeps the price it was placed at.
    #[sea_orm(from_col = "price_cents")]
    pub price: Money,
    /// More about it.
    #[schema(example = "a loaf of bread")]
    pub description: Option<String>,
}

impl Identified for Item {
    fn id(&self) -> i64 {
        self.id
    }
}

/// An item to add.
#[derive(Clone, Debug)]
pub struct NewItem {
    /// What it is called.
    pub name: String,
    /// What it costs.
    pub price: Money,
    /// More about it.
    pub description: Option<String>,
}

/// What to change of an item; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct ItemChange {
    /// What it is called from now on.
    pub name: Option<String>,
    /// What it costs from now on. Orders that were placed keep their prices.
    pub price: Option<Money>,
    /// More about it from now on; `Some(None)` takes the description away.
    pub description: Option<Option<String>>,
}

/// By what items are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemField {
    /// By id.
    Id,
    /// By name, in the order of Unicode's code points.
    Name,
    /// By price.
    Price,
}

impl SortField for ItemField {
    type Entity = item::Entity;
    type Row = Item;

    const ALL: &'static [(&'static str, Self)] =
        &[("id", Self::Id), ("name", Self::Name), ("price", Self::Price)];
    const ID: item::Column = item::Column::Id;

    fn column(self) -> item::Column {
        match self {
            Self::Id => item::Column::Id,
            Self::Name => item::Column::Name,
            Self::Price => item::Column::PriceCents,
        }
    }

    fn fits(self, key: &Key) -> bool {
        match self {
            Self::Id | Self::Price => matches!(key, Key::Number(_)),
            Self::Name => key.is_name(),
        }
    }

    fn position(self, item: &Item) -> Position {
        let key = match self {
            Self::Id => Key::Number(item.id),
            Self::Name => Key::Text(item.name.clone()),
            Self::Price => Key::Number(item.price.cents()),
        };
        Position { key, id: item.id }
    }
}

/// The item. One statement.
pub async fn get(db: &impl ConnectionTrait, id: i64) -> Result<Item> {
    let item = item::Entity::find_by_id(id).into_partial_model().one(db).await?;
    item.ok_or(Error::NotFound { what: "item", id })
}

/// A page of the items whose name starts with `prefix`. One statement.
pub async fn list(
    db: &impl ConnectionTrait,
    window: &Window<ItemField>,
    prefix: Option<&str>,
) -> Result<Page<Item>> {
    let mut items = item::Entity::find();
    if let Some(prefix) = prefix {
        items = items.filter(starts_with(db.get_database_backend(), item::Column::Name, prefix));
    }
    Ok(window.page(window.of(items, db.get_database_backend()).into_partial_model().all(db).await?))
}

/// Adds an item.
pub async fn create(
    db: &Database,
    item: NewItem,
    key: Option<IdempotencyKey>,
    now: DateTime<Utc>,
) -> Result<Created> {
    idempotency::create(db, key, now, move |txn| Box::pin(insert(txn, item.clone()))).await
}

async fn insert(txn: &DatabaseTransaction, item: NewItem) -> Result<Item> {
    let NewItem { name, price, description } = item;
    let row = item::ActiveModel {
        id: NotSet,
        name: Set(name.clone()),
        price_cents: Set(price),
        description: Set(description.clone()),
    };
    let id = item::Entity::insert(row).exec(txn).await?.last_insert_id;
    Ok(Item { id, name, price, description })
}

/// Changes an item, if it is still as the caller saw it.
pub async fn update(
    db: &Database,
    id: i64,
    change: ItemChange,
    precondition: Precondition,
) -> Result<Item> {
    db.write(move |txn| Box::pin(update_in(txn, id, change.clone(), precondition.clone()))).await
}

async fn update_in(
    txn: &DatabaseTransaction,
    id: i64,
    change: ItemChange,
    precondition: Precondition,
) -> Result<Item> {
    let mut item = lock(txn, id).await?;
    precondition.check(&item)?;
    let mut row = item::ActiveModel { id: Unchanged(id), ..Default::default() };
    let ItemChange { name, price, description } = change;
    if let Some(name) = name {
        row.name = Set(name.clone());
        item.name = name;
    }
    if let Some(price) = price {
        row.price_cents = Set(price);
        item.price = price;
    }
    if let Some(description) = description {
        row.description = Set(description.clone());
        item.description = description;
    }
    if row.is_changed() {
        item::Entity::update_many().set(row).filter(item::Column::Id.eq(id)).exec(txn).await?;
    }
    Ok(item)
}

/// Removes an item that no order refers to, if it is still as the caller saw it.
pub async fn delete(db: &Database, id: i64, precondition: Precondition) -> Result<()> {
    db.write(move |txn| Box::pin(delete_in(txn, id, precondition.clone()))).await
}

async fn delete_in(txn: &DatabaseTransaction, id: i64, precondition: Precondition) -> Result<()> {
    precondition.check(&lock(txn, id).await?)?;
    let order: Option<i64> = order_items::Entity::find()
        .select_only()
        .column(order_items::Column::OrderId)
        .filter(order_items::Column::ItemId.eq(id))
        .limit(1)
        .into_tuple()
        .one(txn)
        .await?;
    if let Some(order) = order {
        return Err(Error::InUse { what: "item", id, order });
    }
    item::Entity::delete_by_id(id).exec(txn).await?;
    Ok(())
}

/// The item, which nobody else changes before the transaction ends.
async fn lock(txn: &DatabaseTransaction, id: i64) -> Result<Item> {
    let item = item::Entity::find_by_id(id).lock_exclusive().into_partial_model().one(txn).await?;
    item.ok_or(Error::NotFound { what: "item", id })
}
