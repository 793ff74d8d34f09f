//! Copy of all data to another database, of the same kind or another.

mod table;

use sea_orm::DatabaseTransaction;
use table::TABLES;

use crate::{
    Database, Error, Progress, Result,
    bulk_load::{self, BulkLoad},
    database::WorkFuture,
};

/// Description of the load in the target.
const TASK: &str = "copy of another database";

/// Number of rows that were copied from a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiedTable {
    /// Name of the table.
    pub name: &'static str,
    /// Number of rows.
    pub rows: u64,
}

/// Copies all rows of `source` to `target`, one page of a table in each transaction, and reports the number of rows after
/// each. Nothing may write to either meanwhile: another number of rows in the source afterwards is an error.
///
/// An interrupted copy starts over, on an empty target, since the source may have changed.
///
/// # Errors
/// [`Error::TargetNotEmpty`], [`Error::InterruptedCopy`], [`Error::UnfinishedLoad`] in the source, [`Error::ConcurrentLoad`] and [`Error::CopyDiffers`].
pub async fn copy(
    source: &Database,
    target: &Database,
    report: &dyn Fn(Progress),
) -> Result<Vec<CopiedTable>> {
    // Replicas may lag behind.
    let (source, target) = (&source.consistent(), &target.consistent());
    if bulk_load::unfinished(target.primary_reader()).await?.is_some() {
        return Err(Error::InterruptedCopy);
    }
    if let Some(load) = bulk_load::unfinished(source.primary_reader()).await? {
        return Err(Error::UnfinishedLoad { unfinished: load.task, task: TASK.to_owned() });
    }
    let total = counts(source).await?.iter().map(|table| table.rows).sum();
    let progress = Progress { done: 0, total };
    let mut load = BulkLoad::new(target, TASK.to_owned(), refuse_unless_empty, progress, report);
    for table in TABLES {
        table.copy(source, &mut load).await?;
    }
    let copied = compare(counts(source).await?, counts(target).await?)?;
    load.finish().await?;
    Ok(copied)
}

fn refuse_unless_empty(txn: &DatabaseTransaction) -> WorkFuture<'_, ()> {
    Box::pin(async {
        for table in TABLES {
            if !table.is_empty(txn).await? {
                return Err(Error::TargetNotEmpty(table.name()));
            }
        }
        Ok(())
    })
}

async fn counts(db: &Database) -> Result<Vec<CopiedTable>> {
    let mut counts = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        counts.push(CopiedTable { name: table.name(), rows: table.count(db).await? });
    }
    Ok(counts)
}

/// Returns the counts of the target if they are those of the source.
fn compare(source: Vec<CopiedTable>, target: Vec<CopiedTable>) -> Result<Vec<CopiedTable>> {
    match source.iter().zip(&target).find(|(source, target)| source != target) {
        None => Ok(target),
        Some((source, target)) => Err(Error::CopyDiffers {
            table: source.name,
            source_rows: source.rows,
            target_rows: target.rows,
        }),
    }
}
