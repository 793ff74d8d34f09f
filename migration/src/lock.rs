//! One migrator at a time, whatever the number of processes that start at once.

use std::time::Duration;

use database_url::DatabaseUrl;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use crate::{Error, Result};

/// How long a migrator waits for the one before it.
const PATIENCE: Duration = Duration::from_mins(10);

/// Any number that no other program locks in the same PostgreSQL database ("marketsv" in ASCII).
const POSTGRES_LOCK: i64 = 0x6d61_726b_6574_7376;

/// How long a server may take to let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The single connection of a migrator.
pub async fn connect(url: &DatabaseUrl) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url.expose());
    options
        .max_connections(1)
        .acquire_timeout(CONNECT_TIMEOUT)
        .sqlx_logging_level(log::LevelFilter::Debug)
        // Rebuilding or dropping a table is no breach of the keys that point at it.
        .map_sqlx_sqlite_opts(|sqlite| sqlite.foreign_keys(false).busy_timeout(PATIENCE));
    let cannot = |error| Error::Connect { url: url.clone(), error };
    Database::connect(options).await.map_err(cannot)
}

/// A transaction that no other migrator of the same database holds at the same time.
///
/// SQLite and PostgreSQL undo all of it when it is dropped without a commit. On MySQL every change
/// of the schema commits at once; there the transaction is only what keeps hold of the connection,
/// and with it of the lock, which both end with it.
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
        "SET LOCAL lock_timeout = '{}s'; SELECT pg_advisory_xact_lock({POSTGRES_LOCK})",
        PATIENCE.as_secs()
    );
    txn.execute_unprepared(&lock).await?;
    Ok(())
}

/// MySQL's lock names are shared by all databases of a server, hence the database's name within.
async fn lock_mysql(txn: &DatabaseTransaction) -> Result<()> {
    let sql = format!(
        "SELECT GET_LOCK(CONCAT('marketsvc ', MD5(DATABASE())), {}) AS locked",
        PATIENCE.as_secs()
    );
    let row = txn.query_one_raw(Statement::from_string(DbBackend::MySql, sql)).await?;
    match row.map(|row| row.try_get::<Option<i64>>("", "locked")).transpose()? {
        Some(Some(1)) => Ok(()),
        _ => Err(Error::Locked(PATIENCE)),
    }
}
