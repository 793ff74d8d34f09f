//! Migration lock: one process at a time changes the schema of a database.

use std::time::Duration;

use database_url::DatabaseUrl;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};

use crate::{Error, Result};

/// Maximum time to wait for the migration lock.
const MIGRATION_LOCK_TIMEOUT: Duration = Duration::from_mins(10);

/// Key of the PostgreSQL advisory lock: "marketsv" in ASCII, unlikely to be used by another program in
/// the same database.
const POSTGRES_LOCK_KEY: i64 = 0x6d61_726b_6574_7376;

/// Maximum time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a pool of one connection.
pub async fn connect(url: &DatabaseUrl) -> Result<DatabaseConnection> {
    url.create_file();
    let opening = url.connect(|options| {
        options
            .max_connections(1)
            .acquire_timeout(CONNECT_TIMEOUT)
            .sqlx_logging(false)
            // Foreign keys are not enforced, so that a migration can rebuild or drop a referenced table.
            .map_sqlx_sqlite_opts(|sqlite| {
                sqlite.foreign_keys(false).busy_timeout(MIGRATION_LOCK_TIMEOUT)
            });
    });
    let mut connection =
        opening.await.map_err(|error| Error::Connect { url: url.clone(), error })?;
    connection.set_metric_callback(|info| {
        // The migrator's look-ups and its own table are housekeeping.
        if info.statement.sql.starts_with("SELECT")
            || info.statement.sql.contains("seaql_migrations")
        {
            return;
        }
        let millis = info.elapsed.as_secs_f64() * 1e3;
        let outcome = if info.failed { ", failed" } else { "" };
        log::debug!(target: "echo", "{}  ({millis:.3} ms{outcome})", info.statement);
    });
    Ok(connection)
}

/// Begins a transaction that holds the migration lock of the database.
///
/// On SQLite and PostgreSQL a drop without a commit rolls back the schema changes. MySQL commits each
/// schema change implicitly; there the transaction only keeps the connection, and the lock of the
/// connection is released when it closes.
pub async fn begin_exclusive(db: &DatabaseConnection) -> Result<DatabaseTransaction> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let txn = db.begin_with_options(options).await?;
    match txn.get_database_backend() {
        DbBackend::Postgres => lock_postgres(&txn).await?,
        DbBackend::MySql => lock_mysql(&txn).await?,
        _ => {}
    }
    Ok(txn)
}

async fn lock_postgres(txn: &DatabaseTransaction) -> Result<()> {
    let lock = format!(
        "SET LOCAL lock_timeout = '{}s'; SELECT pg_advisory_xact_lock({POSTGRES_LOCK_KEY})",
        MIGRATION_LOCK_TIMEOUT.as_secs()
    );
    txn.execute_unprepared(&lock).await?;
    Ok(())
}

/// Acquires MySQL's named lock. Its name contains a digest of the database name, because lock names are
/// global to the server.
async fn lock_mysql(txn: &DatabaseTransaction) -> Result<()> {
    let sql = format!(
        "SELECT GET_LOCK(CONCAT('marketsvc ', MD5(DATABASE())), {}) AS locked",
        MIGRATION_LOCK_TIMEOUT.as_secs()
    );
    let row = txn.query_one_raw(Statement::from_string(DbBackend::MySql, sql)).await?;
    match row.map(|row| row.try_get::<Option<i64>>("", "locked")).transpose()? {
        Some(Some(1)) => Ok(()),
        _ => Err(Error::Locked(MIGRATION_LOCK_TIMEOUT)),
    }
}
