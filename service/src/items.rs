//! Items: the goods for sale.

use chrono::{DateTime, Utc};
use entity::{Money, item, order_items};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, ModelTrait, QueryFilter, QuerySelect, QueryTrait,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Database, Error, Result,
    domain::{Description, MoneySchema, Name, NamePrefix, Price},
    idempotency::{self, Created, IdempotencyKey, Identified},
    pagination::{Cursor, Page, PageRequest, SortField, SortValue, starts_with},
    version::Precondition,
};

/// Item for sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Item {
    /// Id.
    #[schema(example = 3)]
    pub id: i64,
    /// Name.
    #[schema(example = "Bread")]
    pub name: String,
    /// Current price; an order keeps the price at which it was placed.
    #[schema(value_type = MoneySchema)]
    pub price: Money,
    /// Description.
    #[schema(example = "a loaf of bread")]
    pub description: Option<String>,
}

impl From<item::Model> for Item {
    fn from(item: item::Model) -> Self {
        let item::Model { id, name, price_cents, description } = item;
        Self { id, name, price: price_cents, description }
    }
}

impl Identified for Item {
    fn id(&self) -> i64 {
        self.id
    }
}

/// New item.
#[derive(Clone, Debug)]
pub struct NewItem {
    /// Name.
    pub name: Name,
    /// Price.
    pub price: Price,
    /// Description.
    pub description: Option<Description>,
}

/// Changes of an item; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ItemChange {
    /// New name.
    pub name: Option<Name>,
    /// New price. Orders that were placed keep their prices.
    pub price: Option<Price>,
    /// New description; `Some(None)` removes it.
    pub description: Option<Option<Description>>,
}

/// Field by which items are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemSort {
    /// Id.
    Id,
    /// Name, by Unicode code points.
    Name,
    /// Price.
    Price,
}

impl SortField for ItemSort {
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

    fn accepts(self, value: &SortValue) -> bool {
        match self {
            Self::Id | Self::Price => value.is_number(),
            Self::Name => value.is_name(),
        }
    }

    fn cursor(self, item: &Item) -> Cursor {
        let key = match self {
            Self::Id => SortValue::Number(item.id),
            Self::Name => SortValue::Text(item.name.clone()),
            Self::Price => SortValue::Number(item.price.cents()),
        };
        Cursor { key, id: item.id }
    }
}

/// Returns the item. One statement.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn get(db: &impl ConnectionTrait, id: i64) -> Result<Item> {
    let item = item::Entity::find_by_id(id).one(db).await?;
    item.map(Item::from).ok_or(Error::NotFound { what: "item", id })
}

/// Returns a page of the items whose name starts with `prefix`. One statement.
pub async fn list(
    db: &impl ConnectionTrait,
    page: &PageRequest<ItemSort>,
    prefix: Option<&NamePrefix>,
) -> Result<Page<Item>> {
    let backend = db.get_database_backend();
    let items = item::Entity::find().apply_if(prefix, |items, prefix| {
        items.filter(starts_with(backend, item::Column::Name, prefix.as_str()))
    });
    let items = page.apply(items, backend).all(db).await?;
    Ok(page.page(items.into_iter().map(Item::from).collect()))
}

/// Adds an item. One statement, on MySQL two, which has no RETURNING.
///
/// # Errors
/// [`Error::KeyReused`]
pub async fn create(
    db: &Database,
    item: NewItem,
    key: Option<IdempotencyKey>,
    now: DateTime<Utc>,
) -> Result<Created> {
    idempotency::create(db, key, now, move |txn| Box::pin(insert(txn, item.clone()))).await
}

async fn insert(txn: &DatabaseTransaction, new: NewItem) -> Result<Item> {
    let NewItem { name, price, description } = new;
    let item = item::ActiveModel {
        name: Set(name.into()),
        price_cents: Set(price.get()),
        description: Set(description.map(String::from)),
        ..Default::default()
    };
    Ok(item.insert(txn).await?.into())
}

/// Changes an item, if the precondition holds. One statement to load and lock the item, one to change it (on MySQL
/// two).
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`]
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
    let item = lock(txn, id).await?;
    precondition.check(&Item::from(item.clone()))?;
    let mut changed = item.clone().into_active_model();
    let ItemChange { name, price, description } = change;
    if let Some(name) = name {
        changed.name = Set(name.into());
    }
    if let Some(price) = price {
        changed.price_cents = Set(price.get());
    }
    if let Some(description) = description {
        changed.description = Set(description.map(String::from));
    }
    let item = if changed.is_changed() { changed.update(txn).await? } else { item };
    Ok(item.into())
}

/// Deletes an item that no order refers to, if the precondition holds. Three statements.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::InUse`]
pub async fn delete(db: &Database, id: i64, precondition: Precondition) -> Result<()> {
    db.write(move |txn| Box::pin(delete_in(txn, id, precondition.clone()))).await
}

async fn delete_in(txn: &DatabaseTransaction, id: i64, precondition: Precondition) -> Result<()> {
    let item = lock(txn, id).await?;
    precondition.check(&Item::from(item.clone()))?;
    let line = item.find_related(order_items::Entity).limit(1).one(txn).await?;
    if let Some(line) = line {
        return Err(Error::InUse { what: "item", id, by: "order", by_id: line.order_id });
    }
    item.delete(txn).await?;
    Ok(())
}

/// Loads the item and locks it until the transaction ends.
async fn lock(txn: &DatabaseTransaction, id: i64) -> Result<item::Model> {
    let item = item::Entity::find_by_id(id).lock_exclusive().one(txn).await?;
    item.ok_or(Error::NotFound { what: "item", id })
}
