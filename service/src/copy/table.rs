//! Tables that are copied, page by page in the order of their primary keys.

use std::marker::PhantomData;

use entity::{address, api_keys, customer, idempotency_keys, item, order_items, orders, secrets};
use futures_util::future::{BoxFuture, LocalBoxFuture};
use sea_orm::{
    Condition, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, FromQueryResult,
    IntoActiveModel, Iterable, ModelTrait, PaginatorTrait, PrimaryKeyToColumn, QueryFilter,
    QueryOrder, QuerySelect, SelectExt,
};

use crate::{
    Database, Result,
    bulk_load::{Batch, BulkLoad, insert},
    database::silently,
    pagination::keyset_condition,
};

/// Tables in an order in which foreign keys permit to insert their rows: all but those of the migrations and of
/// unfinished bulk loads.
pub const TABLES: [&dyn Table; 8] = [
    &TableOf::<address::Entity>::NEW,
    &TableOf::<customer::Entity>::NEW,
    &TableOf::<item::Entity>::NEW,
    &TableOf::<orders::Entity>::NEW,
    &TableOf::<order_items::Entity>::NEW,
    &TableOf::<api_keys::Entity>::NEW,
    &TableOf::<idempotency_keys::Entity>::NEW,
    &TableOf::<secrets::Entity>::NEW,
];

/// Table that is copied.
pub trait Table: Sync {
    /// Returns the name of the table.
    fn name(&self) -> &'static str;

    /// Returns whether the table has no rows. One statement.
    fn is_empty<'a>(&'a self, txn: &'a DatabaseTransaction) -> BoxFuture<'a, Result<bool>>;

    /// Returns the number of rows. One statement.
    fn count<'a>(&'a self, db: &'a Database) -> LocalBoxFuture<'a, Result<u64>>;

    /// Copies all rows. One statement and one transaction for each page, and one statement more.
    fn copy<'a>(
        &'a self,
        source: &'a Database,
        load: &'a mut BulkLoad<'_>,
    ) -> LocalBoxFuture<'a, Result<()>>;
}

/// Entity whose rows are copied.
trait CopiedEntity: EntityTrait<ActiveModel: Send, Model: CopiedModel<Self>> {
    /// Number of rows in a transaction.
    const PAGE: u16 = 1000;
    /// True if values of the table must not be logged.
    const IS_SECRET: bool = false;
}

/// Row that is copied.
trait CopiedModel<E: EntityTrait>:
    ModelTrait<Entity = E> + FromQueryResult + IntoActiveModel<E::ActiveModel> + Send + Sync + 'static
{
}

impl<E: EntityTrait, M> CopiedModel<E> for M where
    M: ModelTrait<Entity = E>
        + FromQueryResult
        + IntoActiveModel<E::ActiveModel>
        + Send
        + Sync
        + 'static
{
}

impl CopiedEntity for address::Entity {}
impl CopiedEntity for customer::Entity {}
impl CopiedEntity for item::Entity {}
impl CopiedEntity for orders::Entity {}
impl CopiedEntity for order_items::Entity {}
impl CopiedEntity for api_keys::Entity {}
impl CopiedEntity for idempotency_keys::Entity {
    /// A stored response may have hundreds of kilobytes.
    const PAGE: u16 = 50;
}
impl CopiedEntity for secrets::Entity {
    const IS_SECRET: bool = true;
}

struct TableOf<E>(PhantomData<E>);

impl<E> TableOf<E> {
    const NEW: Self = Self(PhantomData);
}

impl<E: CopiedEntity> Table for TableOf<E> {
    fn name(&self) -> &'static str {
        E::default().table_name()
    }

    fn is_empty<'a>(&'a self, txn: &'a DatabaseTransaction) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async { Ok(!E::find().exists(txn).await?) })
    }

    fn count<'a>(&'a self, db: &'a Database) -> LocalBoxFuture<'a, Result<u64>> {
        Box::pin(async { Ok(E::find().count(db.report_reader()).await?) })
    }

    fn copy<'a>(
        &'a self,
        source: &'a Database,
        load: &'a mut BulkLoad<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(async {
            let mut page = page_after::<E>(source, None).await?;
            while let Some(last) = page.0.last().cloned() {
                load.write(page).await?;
                page = page_after(source, Some(last)).await?;
            }
            Ok(())
        })
    }
}

/// Rows of one transaction.
struct Page<E: EntityTrait>(Vec<E::Model>);

impl<E: CopiedEntity> Batch for Page<E> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    async fn insert(&self, txn: &DatabaseTransaction) -> Result<()> {
        let inserting = insert::<E>(txn, &self.0);
        if E::IS_SECRET { silently(inserting).await } else { inserting.await }
    }
}

async fn page_after<E: CopiedEntity>(source: &Database, last: Option<E::Model>) -> Result<Page<E>> {
    let pool = source.reader();
    let mut query = E::find().limit(u64::from(E::PAGE));
    for key in E::PrimaryKey::iter() {
        query = query.order_by_asc(key.into_column());
    }
    if let Some(condition) =
        last.and_then(|last| rows_after::<E>(pool.get_database_backend(), &last))
    {
        query = query.filter(condition);
    }
    Ok(Page(query.all(pool).await?))
}

/// Condition for the rows after one, in the order of the primary key, which has one or two columns.
fn rows_after<E: EntityTrait>(backend: DbBackend, row: &E::Model) -> Option<Condition> {
    let columns = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
    let mut key: Vec<_> = columns.map(|column| (column, row.get(column))).collect();
    let last = key.pop()?;
    Some(keyset_condition(backend, key.pop(), last, false))
}
