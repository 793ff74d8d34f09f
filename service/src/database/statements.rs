//! Statements on a pool, each on a connection of its own.

use std::time::{Duration, Instant};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, prelude::async_trait,
};

use super::{
    error_class::{Damage, damage},
    pool::Pool,
};

/// Time within which a connection must break for a query to run again: a silent server is not waited for twice.
const RETRY_WITHIN: Duration = Duration::from_secs(1);

#[async_trait::async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        self.backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut lease = self.lease().await?;
        let database = lease.database();
        lease.run(database.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut lease = self.lease().await?;
        let database = lease.database();
        lease.run(database.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let retry = Retry::of(self.backend(), &statement);
        match self.query_one_once(statement).await {
            Err(error) => self.query_one_once(retry.after(error)?).await,
            row => row,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let retry = Retry::of(self.backend(), &statement);
        match self.query_all_once(statement).await {
            Err(error) => self.query_all_once(retry.after(error)?).await,
            rows => rows,
        }
    }
}

impl Pool {
    async fn query_one_once(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut lease = self.lease().await?;
        let database = lease.database();
        lease.run(database.query_one_raw(statement)).await
    }

    async fn query_all_once(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut lease = self.lease().await?;
        let database = lease.database();
        lease.run(database.query_all_raw(statement)).await
    }
}

/// Query that may run again on another connection, perhaps to another server.
struct Retry {
    statement: Option<Statement>,
    started: Instant,
}

impl Retry {
    fn of(backend: DbBackend, statement: &Statement) -> Self {
        let may_break = backend != DbBackend::Sqlite && statement.sql.starts_with("SELECT");
        Self { statement: may_break.then(|| statement.clone()), started: Instant::now() }
    }

    /// Returns the query after an error of its connection, or the error.
    fn after(self, error: DbErr) -> Result<Statement, DbErr> {
        match self.statement {
            Some(statement)
                if damage(&error) != Damage::None && self.started.elapsed() < RETRY_WITHIN =>
            {
                log::debug!("reading again on another connection: {error}");
                Ok(statement)
            }
            _ => Err(error),
        }
    }
}
