//! Bulk loads: many rows in small transactions, which neither block other writers nor stall a replicated database.
//!
//! A row of `bulk_loads` marks a load that is not finished. Each transaction updates it together with the rows that it
//! inserts, so an interrupted load can continue where it ended.

mod insert;

use std::sync::Arc;

use entity::bulk_loads::{Column, Entity, Model};
pub(crate) use insert::insert;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    sea_query::Expr,
};

use crate::{Database, Error, Result, database::WorkFuture};

/// Id of the only row.
const ID: i64 = 1;

/// Progress of a bulk load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of rows loaded.
    pub done: u64,
    /// Number of rows to load.
    pub total: u64,
}

/// Rows that are inserted in one transaction.
pub(crate) trait Batch: Send + Sync + 'static {
    /// Returns the number of rows that the progress counts, at least 1.
    fn len(&self) -> u64;

    /// Inserts the rows.
    fn insert(&self, txn: &DatabaseTransaction) -> impl Future<Output = Result<()>> + Send;
}

/// Check within the first transaction that the database may be loaded.
pub(crate) type Check = for<'a> fn(&'a DatabaseTransaction) -> WorkFuture<'a, ()>;

/// Load of many rows in several transactions.
pub(crate) struct BulkLoad<'a> {
    db: &'a Database,
    task: String,
    check: Check,
    progress: Progress,
    report: &'a dyn Fn(Progress),
}

impl<'a> BulkLoad<'a> {
    /// Begins a load of `total` rows after the first `done`, or continues one with the same `task`.
    pub fn new(
        db: &'a Database,
        task: String,
        check: Check,
        progress: Progress,
        report: &'a dyn Fn(Progress),
    ) -> Self {
        if progress.done > 0 {
            report(progress);
        }
        Self { db, task, check, progress, report }
    }

    /// Inserts the batch after those before it, and reports the progress.
    ///
    /// # Errors
    /// [`Error::ConcurrentLoad`], and those of the check.
    pub async fn write(&mut self, batch: impl Batch) -> Result<()> {
        let done = self.progress.done;
        let next = done + batch.len();
        let (task, check, batch) = (self.task.clone(), self.check, Arc::new(batch));
        let written = self.db.write(move |txn| {
            let (task, batch) = (task.clone(), Arc::clone(&batch));
            Box::pin(async move {
                if done == 0 {
                    claim(txn, task, next).await?;
                    check(txn).await?;
                } else {
                    advance(txn, done, next).await?;
                }
                batch.insert(txn).await
            })
        });
        written.await.map_err(|error| match error {
            // Another load inserted the row first.
            Error::Conflict(_) if done == 0 => Error::ConcurrentLoad,
            error => error,
        })?;
        self.progress.done = next;
        (self.report)(self.progress);
        Ok(())
    }

    /// Marks the load as finished.
    ///
    /// # Errors
    /// [`Error::ConcurrentLoad`]; if no rows were written, those of the check.
    pub async fn finish(self) -> Result<()> {
        let (done, check) = (self.progress.done, self.check);
        let finished = self
            .db
            .write(move |txn| if done == 0 { check(txn) } else { Box::pin(release(txn, done)) });
        finished.await
    }
}

/// Returns the load that is not finished. One statement.
pub(crate) async fn unfinished(db: &impl ConnectionTrait) -> Result<Option<Model>> {
    Ok(Entity::find_by_id(ID).one(db).await?)
}

/// Returns the description of the load that is not finished: the database lacks rows. One statement.
pub async fn unfinished_load(db: &Database) -> Result<Option<String>> {
    Ok(unfinished(db.primary_reader()).await?.map(|load| load.task))
}

/// Precedes the check: on MySQL the first read decides which rows the later ones see.
async fn claim(txn: &DatabaseTransaction, task: String, done: u64) -> Result<()> {
    let row = Model { id: ID, task, done: done.cast_signed() };
    Entity::insert(row.into_active_model()).exec_without_returning(txn).await?;
    Ok(())
}

async fn advance(txn: &DatabaseTransaction, done: u64, next: u64) -> Result<()> {
    let updated = Entity::update_many()
        .col_expr(Column::Done, Expr::val(next.cast_signed()))
        .filter(Column::Id.eq(ID))
        .filter(Column::Done.eq(done.cast_signed()))
        .exec(txn)
        .await?;
    changed_one(updated.rows_affected)
}

async fn release(txn: &DatabaseTransaction, done: u64) -> Result<()> {
    let deleted = Entity::delete_many()
        .filter(Column::Id.eq(ID))
        .filter(Column::Done.eq(done.cast_signed()))
        .exec(txn)
        .await?;
    changed_one(deleted.rows_affected)
}

fn changed_one(rows: u64) -> Result<()> {
    if rows == 1 { Ok(()) } else { Err(Error::ConcurrentLoad) }
}
