//! Options of the connections to each of the three databases.

use std::time::{Duration, Instant};

use database_url::{Backend, DatabaseUrl};
use sea_orm::{
    ConnectOptions, DatabaseConnection,
    sqlx::{
        Connection, Executor,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};

use super::{
    Settings,
    transaction::{BUSY_TIMEOUT, backoff},
};
use crate::{Error, Result};

/// Connections of a process. The writer is a pool of its own on SQLite only.
pub(super) struct Connections {
    pub reader: DatabaseConnection,
    pub sqlite_writer: Option<DatabaseConnection>,
}

/// Opens the pools.
pub(super) async fn connect(url: &DatabaseUrl, settings: Settings) -> Result<Connections> {
    let options = options(url, settings);
    if url.backend() != Backend::Sqlite {
        return Ok(Connections { reader: open(options).await?, sqlite_writer: None });
    }
    url.create_file();
    // The writer comes first, since it changes the file to a write-ahead log.
    let writer = open_sqlite_writer(sqlite_writer(options.clone())).await?;
    let reader = open(sqlite_reader(options)).await?;
    Ok(Connections { reader, sqlite_writer: Some(writer) })
}

/// Opens the writer, again while other processes that start at the same time change the file to a write-ahead log:
/// SQLite's busy timeout does not cover that.
async fn open_sqlite_writer(options: ConnectOptions) -> Result<DatabaseConnection> {
    let started = Instant::now();
    loop {
        match open(options.clone()).await {
            Err(Error::Contention(_)) if started.elapsed() < BUSY_TIMEOUT => {
                tokio::time::sleep(backoff(1)).await;
            }
            outcome => return outcome,
        }
    }
}

async fn open(options: ConnectOptions) -> Result<DatabaseConnection> {
    Ok(sea_orm::Database::connect(options).await?)
}

fn options(url: &DatabaseUrl, settings: Settings) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.expose());
    options
        .max_connections(settings.max_connections)
        .acquire_timeout(settings.acquire_timeout)
        .connect_timeout(settings.acquire_timeout)
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        // The echo logs statements; the driver would format them even if no logger is enabled.
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|postgres| {
            postgres.options([("lock_timeout", "5s"), ("statement_timeout", "60s")])
        })
        .map_sqlx_mysql_pool_opts(|pool| {
            let limits = "SET SESSION innodb_lock_wait_timeout = 5, lock_wait_timeout = 5";
            pool.after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(limits).await.map(drop) })
            })
        });
    options
}

fn sqlite_writer(mut options: ConnectOptions) -> ConnectOptions {
    options
        .max_connections(1)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                // NORMAL may lose acknowledged commits when the power fails.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
        })
        .map_sqlx_sqlite_pool_opts(|pool| {
            // When the disk is full SQLite ends the transaction itself, while sqlx goes on counting it as open:
            // every later commit would only end a savepoint. Such a connection is closed.
            pool.after_release(|connection, _| {
                Box::pin(async move { Ok(!connection.is_in_transaction()) })
            })
        });
    options
}

fn sqlite_reader(mut options: ConnectOptions) -> ConnectOptions {
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            // A stream uses all connections in turn, and each keeps this many KiB of the file.
            .pragma("cache_size", "-1024")
            // Rows come from a thread, which need not wait for their reader within a page.
            .row_buffer_size(500)
    });
    options
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, Statement};

    use crate::testing::{demo_database, writer};

    #[tokio::test]
    async fn the_sqlite_writer_syncs_each_commit_to_a_write_ahead_log() {
        let (_directory, db) = demo_database().await;
        for (pragma, expected) in [("synchronous", 2), ("foreign_keys", 1)] {
            let query = Statement::from_string(
                writer(&db).get_database_backend(),
                format!("PRAGMA {pragma}"),
            );
            let row = writer(&db).query_one_raw(query).await.unwrap().unwrap();
            assert_eq!(row.try_get_by_index::<i32>(0).unwrap(), expected, "{pragma}");
        }
    }
}
