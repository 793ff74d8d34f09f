//! Opening of connections, with the options of each of the three databases.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use database_url::{Backend, DatabaseUrl};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseConnectionType, DbErr, RuntimeErr,
    sea_query::{Func, Query},
    sqlx::{
        self, Connection as _, Executor,
        mysql::MySqlConnectOptions,
        postgres::PgConnectOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};

use tokio::time::timeout;

use super::{
    checkpoint::TRUNCATION_WAIT,
    deadlines::{IDLE_TRANSACTION_TIMEOUT, RELEASE},
    transaction::BUSY_TIMEOUT,
};

/// Number of SQLite's instructions between two looks at [`Interrupt`], some tens of microseconds.
const INSTRUCTIONS: i32 = 10_000;

/// Lets a PostgreSQL server notice within some 25 s that this machine is gone, and release its locks.
const POSTGRES_KEEPALIVE: &str = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
    SET tcp_keepalives_count = 3; SET tcp_user_timeout = 25000";

/// Time limit of PostgreSQL for waiting for a lock.
const POSTGRES_LOCK_TIMEOUT: &str = "5s";

/// Purpose of a connection. It decides about its options on SQLite, which has one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Statements that read; on PostgreSQL and MySQL also transactions that write.
    Reader,
    /// Transactions that write, on SQLite.
    SqliteWriter,
    /// Copying from the write-ahead log to the file, on SQLite.
    SqliteCheckpoint,
}

/// Flag that ends the running statement of a SQLite connection. Other databases end statements by timeouts.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Ends the running statement, and each one until [`Interrupt::reset`].
    pub fn set(&self) {
        self.0.store(true, Relaxed);
    }

    /// Lets statements run.
    pub fn reset(&self) {
        self.0.store(false, Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Connection that was opened.
pub struct Opened {
    pub database: DatabaseConnection,
    pub interrupt: Interrupt,
    /// Time limits that each transaction must set itself, as a statement.
    pub transaction_limits: Option<String>,
}

/// Opener of connections for one purpose.
#[derive(Clone, Debug)]
pub struct Connector {
    url: DatabaseUrl,
    role: Role,
    timeout: Duration,
    statement_timeout: Duration,
}

impl Connector {
    /// Makes an opener of connections, each of which is to be open within `timeout`, and whose statements the server ends
    /// after `statement_timeout`.
    pub fn new(
        url: &DatabaseUrl,
        role: Role,
        timeout: Duration,
        statement_timeout: Duration,
    ) -> Self {
        Self { url: url.clone(), role, timeout, statement_timeout }
    }

    /// Opens a connection, or fails with the reason: at once if the server refuses.
    ///
    /// It is a pool of one: with a pool for each connection, one that does not answer can be given up without the others.
    pub async fn open(&self) -> Result<Opened, DbErr> {
        timeout(self.timeout, self.open_and_prepare()).await.unwrap_or_else(|_| {
            let silent = format!("no connection within {:.1} s", self.timeout.as_secs_f32());
            Err(DbErr::Conn(RuntimeErr::Internal(silent)))
        })
    }

    async fn open_and_prepare(&self) -> Result<Opened, DbErr> {
        let interrupt = Interrupt::default();
        let database =
            self.url.connect(self.timeout, |options| self.set(options, &interrupt)).await?;
        open_no_other(&database);
        let transaction_limits = match self.url.backend() {
            Backend::Postgres => prepare_postgres(&database, self.statement_timeout).await?,
            Backend::Sqlite | Backend::MySql => None,
        };
        Ok(Opened { database, interrupt, transaction_limits })
    }

    fn set(&self, options: &mut ConnectOptions, interrupt: &Interrupt) {
        options
            .max_connections(1)
            .acquire_timeout(RELEASE)
            // Connections are tested, and closed when old, by the pool of these pools.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            // The echo logs statements; the driver would format them even if no logger is enabled.
            .sqlx_logging(false);
        match self.url.backend() {
            Backend::Sqlite => sqlite(options, self.role, interrupt.clone()),
            Backend::Postgres => postgres(options, self.statement_timeout),
            Backend::MySql => mysql(options, self.statement_timeout),
        }
    }
}

/// Keeps a pool of one from opening another connection when it has lost its own: it would wait for a server that refuses.
fn open_no_other(connection: &DatabaseConnection) {
    use DatabaseConnectionType::{
        SqlxMySqlPoolConnection, SqlxPostgresPoolConnection, SqlxSqlitePoolConnection,
    };
    let nowhere = "/dev/null/nowhere";
    match &connection.inner {
        SqlxPostgresPoolConnection(_) => connection
            .get_postgres_connection_pool()
            .set_connect_options(PgConnectOptions::new_without_pgpass().socket(nowhere)),
        SqlxMySqlPoolConnection(_) => connection
            .get_mysql_connection_pool()
            .set_connect_options(MySqlConnectOptions::new().socket(nowhere)),
        SqlxSqlitePoolConnection(_) => connection
            .get_sqlite_connection_pool()
            .set_connect_options(SqliteConnectOptions::new().filename(nowhere)),
        DatabaseConnectionType::Disconnected => {}
    }
}

fn postgres(options: &mut ConnectOptions, statement_timeout: Duration) {
    let limits = postgres_limits(statement_timeout);
    options.map_sqlx_postgres_opts(move |postgres| postgres.options(limits.clone()));
}

fn postgres_limits(statement_timeout: Duration) -> [(&'static str, String); 3] {
    [
        ("lock_timeout", POSTGRES_LOCK_TIMEOUT.to_owned()),
        ("statement_timeout", format!("{}s", statement_timeout.as_secs())),
        ("idle_in_transaction_session_timeout", format!("{}s", IDLE_TRANSACTION_TIMEOUT.as_secs())),
    ]
}

/// Returns the time limits for each transaction if the session does not have them: a pooler of connections, such as
/// `PgBouncer`, drops the options of the start-up. Nothing else can be set for its sessions, which it shares out by
/// transaction.
async fn prepare_postgres(
    database: &DatabaseConnection,
    statement_timeout: Duration,
) -> Result<Option<String>, DbErr> {
    let limits = postgres_limits(statement_timeout);
    let mut query = Query::select();
    for (name, _) in &limits {
        query.expr(Func::cust("current_setting").arg(*name));
    }
    let row = database.query_one(&query).await?;
    let found: Option<(String, String, String)> =
        row.map(|row| row.try_get_many_by_index()).transpose()?;
    let expected = limits.clone().map(|(_, value)| value).into();
    if found != Some(expected) {
        let set = limits.map(|(name, value)| format!("SET LOCAL {name} = '{value}'"));
        return Ok(Some(set.join("; ")));
    }
    // Not every server knows these.
    if let Err(error) = database.execute_unprepared(POSTGRES_KEEPALIVE).await {
        log::debug!("the server keeps connections of lost clients: {error}");
    }
    Ok(None)
}

fn mysql(options: &mut ConnectOptions, statement_timeout: Duration) {
    let seconds = statement_timeout.as_secs();
    let idle = IDLE_TRANSACTION_TIMEOUT.as_secs();
    // MariaDB and MySQL each ignore the comment for the other.
    let limits = format!(
        "SET SESSION innodb_lock_wait_timeout = 5, lock_wait_timeout = 5 \
         /*M!100301 , max_statement_time = {seconds}, idle_transaction_timeout = {idle} */ \
         /*!50708 , max_execution_time = {seconds}000 */"
    );
    options.map_sqlx_mysql_pool_opts(move |pool| {
        let limits = limits.clone();
        pool.after_connect(move |connection, _| {
            let limits = sqlx::AssertSqlSafe(limits.clone());
            Box::pin(async move { connection.execute(limits).await.map(drop) })
        })
    });
}

fn sqlite(options: &mut ConnectOptions, role: Role, interrupt: Interrupt) {
    match role {
        Role::Reader => {
            options.map_sqlx_sqlite_opts(sqlite_reader).map_sqlx_sqlite_pool_opts(move |pool| {
                let interrupt = interrupt.clone();
                pool.after_connect(move |connection, _| {
                    let interrupt = interrupt.clone();
                    Box::pin(async move {
                        let mut handle = connection.lock_handle().await?;
                        handle.set_progress_handler(INSTRUCTIONS, move || !interrupt.is_set());
                        Ok(())
                    })
                })
            });
        }
        Role::SqliteWriter => {
            options.map_sqlx_sqlite_opts(sqlite_writer).map_sqlx_sqlite_pool_opts(|pool| {
                // When the disk is full SQLite ends the transaction itself, while sqlx goes on counting it as open:
                // every later commit would only end a savepoint. Such a connection is closed.
                pool.after_release(|connection, _| {
                    Box::pin(async move { Ok(!connection.is_in_transaction()) })
                })
            });
        }
        Role::SqliteCheckpoint => {
            options.map_sqlx_sqlite_opts(|sqlite| sqlite.busy_timeout(TRUNCATION_WAIT));
        }
    }
}

fn sqlite_reader(sqlite: SqliteConnectOptions) -> SqliteConnectOptions {
    sqlite
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        // A stream uses all connections in turn, and each keeps this many KiB of the file.
        .pragma("cache_size", "-1024")
        // Rows come from a thread, which need not wait for their reader within a page.
        .row_buffer_size(500)
}

fn sqlite_writer(sqlite: SqliteConnectOptions) -> SqliteConnectOptions {
    sqlite
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL may lose acknowledged commits when the power fails.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        // Checkpoints are made by a connection of their own, beside the writer.
        .pragma("wal_autocheckpoint", "0")
}
