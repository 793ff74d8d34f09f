//! Connections of the migrator.

use std::time::Duration;

use database_url::DatabaseUrl;
use sea_orm::DatabaseConnection;
use tokio::time::timeout;

use crate::{
    Error, Result,
    history::HISTORY_TABLE,
    lock::{LOCK_TABLE, MIGRATION_LOCK_TIMEOUT},
};

/// Maximum time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Closes the connection, unless its server is silent.
pub async fn close(db: DatabaseConnection) {
    match timeout(CONNECT_TIMEOUT, db.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::debug!("cannot close the connection: {error}"),
        Err(_) => log::debug!("the connection does not close"),
    }
}

/// Opens a pool of one connection.
pub async fn open(url: &DatabaseUrl) -> Result<DatabaseConnection> {
    url.create_file();
    let opening = url.connect(CONNECT_TIMEOUT, |options| {
        options
            .max_connections(1)
            .acquire_timeout(CONNECT_TIMEOUT)
            .sqlx_logging(false)
            // PostgreSQL ends the transaction of a migrator whose machine is lost, and releases its locks.
            .map_sqlx_postgres_opts(|postgres| {
                postgres.options([("idle_in_transaction_session_timeout", "15s")])
            })
            // Foreign keys are not enforced, so that a migration can rebuild or drop a referenced table.
            .map_sqlx_sqlite_opts(|sqlite| {
                sqlite.foreign_keys(false).busy_timeout(MIGRATION_LOCK_TIMEOUT)
            });
    });
    let mut connection =
        opening.await.map_err(|error| Error::Connect { url: url.clone(), error })?;
    connection.set_metric_callback(|info| {
        // The migrator's look-ups and its own tables are housekeeping.
        let sql = &info.statement.sql;
        if sql.starts_with("SELECT") || sql.contains(HISTORY_TABLE) || sql.contains(LOCK_TABLE) {
            return;
        }
        let millis = info.elapsed.as_secs_f64() * 1e3;
        let outcome = if info.failed { ", failed" } else { "" };
        log::debug!(target: "echo", "{}  ({millis:.3} ms{outcome})", info.statement);
    });
    Ok(connection)
}
