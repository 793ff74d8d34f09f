//! Checkpoints of SQLite's write-ahead log, by a connection beside the writer, which never waits for one.
//!
//! A passive checkpoint copies what no reader needs and never waits. Afterwards the writer starts the log anew,
//! unless readers overlap without a pause: then the file grows. It is truncated once it is large, which keeps the writer
//! from committing for at most [`TRUNCATION_WAIT`], and less often while that fails, as beside a backup.

use std::time::{Duration, Instant};

use sea_orm::{DbBackend, DbErr, FromQueryResult, Statement};

use super::{echo, pool::Pool};

/// Pause between two checkpoints.
const INTERVAL: Duration = Duration::from_secs(1);

/// Number of pages in a log that is truncated: 16 MiB in pages of 4 KiB.
const LARGE: i32 = 4096;

/// Time for which a truncation waits for readers.
pub const TRUNCATION_WAIT: Duration = Duration::from_millis(50);

/// Longest pause between two truncations that fail.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Makes checkpoints until the task is aborted.
pub async fn run(connection: Pool) {
    let mut truncate_at = Instant::now();
    let mut pause = INTERVAL;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let outcome = echo::silently(checkpoint(&connection, truncate_at)).await;
        match outcome {
            Ok(Some(Truncation::Done)) => pause = INTERVAL,
            Ok(Some(Truncation::Failed)) => {
                truncate_at = Instant::now() + pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Ok(None) => {}
            Err(error) => log::warn!("no checkpoint of the write-ahead log: {error}"),
        }
    }
}

/// Outcome of a truncation.
enum Truncation {
    Done,
    /// Readers or a writer of another process were in the way.
    Failed,
}

/// Makes a checkpoint, and truncates a large log unless `truncate_at` is to come.
async fn checkpoint(connection: &Pool, truncate_at: Instant) -> Result<Option<Truncation>, DbErr> {
    let passive = pragma(connection, "PRAGMA wal_checkpoint(PASSIVE)").await?;
    if passive.log < LARGE || Instant::now() < truncate_at {
        return Ok(None);
    }
    let truncation = pragma(connection, "PRAGMA wal_checkpoint(TRUNCATE)").await?;
    Ok(Some(if truncation.busy == 0 { Truncation::Done } else { Truncation::Failed }))
}

/// Row that SQLite returns for a checkpoint: <https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>.
#[derive(FromQueryResult)]
struct Checkpoint {
    /// 0 unless the checkpoint was prevented.
    busy: i32,
    /// Number of pages in the log.
    log: i32,
}

async fn pragma(connection: &Pool, sql: &str) -> Result<Checkpoint, DbErr> {
    let statement = Statement::from_string(DbBackend::Sqlite, sql);
    let row = Checkpoint::find_by_statement(statement).one(connection).await?;
    row.ok_or_else(|| DbErr::Custom(format!("{sql} returned nothing")))
}
