//! Migration lock: one process at a time changes the schema of a database on a server.
//!
//! The lock is a row. Unlike a session lock it holds on every node of a cluster. The holder changes the row every few
//! seconds, and stops if it cannot. A process that sees no change for longer than [`EXPIRY`] takes the lock over; it
//! measures this time itself, so the clocks of machines need not agree.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use database_url::DatabaseUrl;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait,
    ExprTrait, QueryFilter, RuntimeErr, Set, SqlErr, SqlxMySqlError,
    sea_query::{Expr, IntoIden},
};
use sea_orm_migration::prelude::ColumnDef;
use tokio::time::{sleep, timeout};

use crate::{Error, Result, connection, history::has_table, schema::table};

/// Time after which a lock whose row does not change is taken over: its holder crashed.
const EXPIRY: Duration = Duration::from_secs(10);

/// Interval at which the holder changes the row, and time limit for a change.
const RENEWAL: Duration = Duration::from_secs(2);

/// Interval at which a waiting process looks at the row.
const POLL: Duration = Duration::from_millis(200);

/// Maximum time to wait for the lock.
pub const MIGRATION_LOCK_TIMEOUT: Duration = Duration::from_mins(10);

/// Name of the table. It holds one row while the lock is held, and is not dropped with the others.
pub const LOCK_TABLE: &str = "migration_lock";

/// Id of the row.
const ID: i32 = 1;

/// The row.
mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "migration_lock")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        /// Process that holds the lock.
        pub owner: String,
        /// Number of times that the holder changed the row.
        pub renewals: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Migration lock that this process holds. Another process waits for [`EXPIRY`] if it is dropped without
/// [`MigrationLock::release`].
pub struct MigrationLock {
    db: DatabaseConnection,
    owner: String,
}

/// State of the row, and the time since when it is so.
struct Sighting {
    row: row::Model,
    since: Instant,
}

impl MigrationLock {
    /// Waits for the lock and takes it, on a connection of its own.
    ///
    /// # Errors
    /// [`Error::Locked`] after [`MIGRATION_LOCK_TIMEOUT`].
    pub async fn acquire(url: &DatabaseUrl) -> Result<Self> {
        let db = connection::open(url).await?;
        create_table(&db).await?;
        let owner = format!("{}-{:016x}", std::process::id(), rand::random::<u64>());
        let lock = Self { db, owner };
        let started = Instant::now();
        let mut seen = None;
        loop {
            match lock.try_acquire(&mut seen).await {
                Ok(true) => return Ok(lock),
                Ok(false) => {}
                Err(error) if is_conflict(&error) => log::debug!("migration lock: {error}"),
                Err(error) => return Err(error.into()),
            }
            if started.elapsed() > MIGRATION_LOCK_TIMEOUT {
                return Err(Error::Locked(MIGRATION_LOCK_TIMEOUT));
            }
            sleep(POLL).await;
        }
    }

    async fn try_acquire(&self, seen: &mut Option<Sighting>) -> Result<bool, DbErr> {
        let asked_at = Instant::now();
        let Some(row) = row::Entity::find_by_id(ID).one(&self.db).await? else {
            return self.insert().await;
        };
        if let Some(seen) = seen
            && asked_at.elapsed() > RENEWAL
        {
            // A change of the schema blocked the cluster, and the renewals of its holder too.
            seen.since = Instant::now();
        }
        match seen {
            Some(Sighting { row: seen, since }) if *seen == row => {
                if since.elapsed() > EXPIRY {
                    self.take_over(row).await
                } else {
                    Ok(false)
                }
            }
            seen => {
                if seen.as_ref().is_none_or(|seen| seen.row.owner != row.owner) {
                    log::info!("waiting for the migration lock of process {}", row.owner);
                }
                *seen = Some(Sighting { row, since: Instant::now() });
                Ok(false)
            }
        }
    }

    async fn insert(&self) -> Result<bool, DbErr> {
        let row =
            row::ActiveModel { id: Set(ID), owner: Set(self.owner.clone()), renewals: Set(0) };
        row::Entity::insert(row).exec_without_returning(&self.db).await.map(|_| true)
    }

    async fn take_over(&self, expired: row::Model) -> Result<bool, DbErr> {
        let taken = row::Entity::update_many()
            .col_expr(row::Column::Owner, Expr::value(self.owner.clone()))
            .col_expr(row::Column::Renewals, Expr::value(0))
            .filter(row::Column::Owner.eq(&expired.owner))
            .filter(row::Column::Renewals.eq(expired.renewals))
            .exec(&self.db)
            .await?;
        if taken.rows_affected > 0 {
            log::warn!("took over the migration lock of process {}", expired.owner);
        }
        Ok(taken.rows_affected > 0)
    }

    /// Runs `work` while the lock is renewed.
    ///
    /// If no renewal succeeds for a while, `work` is suspended until one does: a change of the schema blocks every write of
    /// a Galera cluster, the renewals included, and this process may have been paused. The row then says whose the lock is.
    ///
    /// # Errors
    /// [`Error::LockLost`] if another process took the lock over.
    pub async fn protect<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let renewed_at = Cell::new(Instant::now());
        let mut work = pin!(work);
        let guarded = poll_fn(|context| {
            if renewed_at.get().elapsed() + RENEWAL > EXPIRY {
                // The timer of the next renewal wakes the task.
                return Poll::Pending;
            }
            work.as_mut().poll(context)
        });
        tokio::select! {
            outcome = guarded => outcome,
            () = self.renew_until_lost(&renewed_at) => Err(Error::LockLost),
        }
    }

    async fn renew_until_lost(&self, renewed_at: &Cell<Instant>) {
        while renewed_at.get().elapsed() < MIGRATION_LOCK_TIMEOUT {
            sleep(RENEWAL).await;
            let began = Instant::now();
            match timeout(RENEWAL, self.renew(&self.db)).await {
                Ok(Ok(true)) => renewed_at.set(began),
                Ok(Ok(false)) => return,
                Ok(Err(error)) => log::warn!("cannot renew the migration lock: {error}"),
                Err(_) => log::warn!("cannot renew the migration lock within {RENEWAL:?}"),
            }
        }
    }

    /// Changes the row; returns false if another process has it.
    async fn renew(&self, db: &impl ConnectionTrait) -> Result<bool, DbErr> {
        let renewed = row::Entity::update_many()
            .col_expr(row::Column::Renewals, Expr::col(row::Column::Renewals).add(1))
            .filter(row::Column::Owner.eq(&self.owner))
            .exec(db)
            .await?;
        Ok(renewed.rows_affected > 0)
    }

    /// Renews the lock in the transaction that changes the schema, before its commit.
    ///
    /// # Errors
    /// [`Error::LockLost`]
    pub async fn confirm(&self, txn: &DatabaseTransaction) -> Result<()> {
        if self.renew(txn).await? { Ok(()) } else { Err(Error::LockLost) }
    }

    /// Deletes the row, unless another process has it.
    pub async fn release(self) -> Result<()> {
        let delete = row::Entity::delete_many().filter(row::Column::Owner.eq(&self.owner));
        let released = timeout(EXPIRY, delete.exec(&self.db)).await;
        connection::close(self.db).await;
        // Without an answer the lock expires.
        released.map_or(Ok(()), |released| released.map(drop))?;
        Ok(())
    }
}

/// Creates the table if it does not exist. Another process may create it at the same time.
async fn create_table(db: &DatabaseConnection) -> Result<()> {
    if has_table(db, LOCK_TABLE).await? {
        return Ok(());
    }
    let created = table(db.get_database_backend(), row::Entity.into_iden())
        .if_not_exists()
        .col(ColumnDef::new(row::Column::Id).integer().not_null().primary_key())
        .col(ColumnDef::new(row::Column::Owner).string_len(64).not_null())
        .col(ColumnDef::new(row::Column::Renewals).big_integer().not_null())
        .take();
    match db.execute(&created).await {
        Err(error) if !has_table(db, LOCK_TABLE).await? => Err(error.into()),
        _ => Ok(()),
    }
}

/// Returns whether another process may have changed the row at the same time, or the schema: a duplicate row, or a
/// conflict between the nodes of a cluster. That has the SQLSTATE class 40 or, if it is found at the commit, the error
/// 1180. A node that waits for a change of the schema may end with 1205, and one that joins its cluster with 1047.
fn is_conflict(error: &DbErr) -> bool {
    if let Some(SqlErr::UniqueConstraintViolation(_)) = error.sql_err() {
        return true;
    }
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    let Some(error) = error.as_database_error() else { return false };
    let number = error.try_downcast_ref::<SqlxMySqlError>().map(SqlxMySqlError::number);
    matches!(number, Some(1047 | 1180 | 1205))
        || error.code().is_some_and(|code| code.starts_with("40"))
}
