//! Connecting, with the reason why a server cannot be reached, which a pool of connections does not tell.

use std::{
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{
    ConnectOptions, DatabaseConnection, DbErr, RuntimeErr,
    sqlx::{Connection, Database, Error, MySql, Postgres, mysql::MySqlDatabaseError},
};
use tokio::time::timeout;

use crate::{
    Backend, DatabaseUrl,
    hosts::Host,
    session::{Consistency, SessionAttrs},
};

/// Time after which a connection that is not open yet is tried apart from the pool.
const HEAD_START: Duration = Duration::from_millis(500);

/// The same time if there are several servers: the next one is tried as soon as one refuses.
const HEAD_START_OF_SEVERAL: Duration = Duration::from_millis(50);

/// Longest time after which the next server of several is tried.
const HOST_TIMEOUT: Duration = Duration::from_secs(2);

impl DatabaseUrl {
    /// Opens a pool of connections to the first suitable server; `customize` sets its options. The caller waits for `limit`:
    /// each of several servers has a part of it.
    ///
    /// A pool whose server refuses connections tries again until its timeout, and then only says that it timed out. This
    /// function fails at once with the reason, such as "connection refused".
    pub async fn connect(
        &self,
        limit: Duration,
        customize: impl Fn(&mut ConnectOptions),
    ) -> Result<DatabaseConnection, DbErr> {
        let deadline = Instant::now() + limit;
        let mut failures = Vec::new();
        let requirements = self.session_attrs().in_order();
        let mut attempts = self.hosts.len() * requirements.len();
        for &required in requirements {
            for host in self.candidates() {
                let limit = self.limit_of_attempt(deadline, attempts);
                match self.open_in_time(limit, host, required, &customize).await {
                    Ok(session) => {
                        self.hosts.use_host(host);
                        return Ok(session);
                    }
                    Err(error) => failures.push((host, error)),
                }
                host.defer();
                attempts -= 1;
            }
        }
        Err(one_of(failures))
    }

    /// Returns the servers in the order in which to try them. Replicas are used in the order of the list.
    fn candidates(&self) -> Vec<&Host> {
        match self.consistency {
            Consistency::Strong => self.hosts.last_used_first(),
            Consistency::Eventual => self.hosts.in_order(),
        }
    }

    /// Returns the time limit of the first of several attempts until the deadline, of which the last one should end a
    /// little earlier, to tell its reason.
    fn limit_of_attempt(&self, deadline: Instant, attempts: usize) -> Duration {
        let left = deadline.saturating_duration_since(Instant::now());
        if !self.hosts.are_several() {
            return left;
        }
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX).max(1);
        (left * 9 / 10 / attempts).min(HOST_TIMEOUT)
    }

    async fn open_in_time(
        &self,
        limit: Duration,
        host: &Host,
        required: SessionAttrs,
        customize: &impl Fn(&mut ConnectOptions),
    ) -> Result<DatabaseConnection, DbErr> {
        // On the heap: the futures of connections are large, and would be a part of that of every statement.
        let opening = Box::pin(async {
            let session = self.open(host, customize).await?;
            if let Err(error) = self.prepare(&session, required).await {
                drop(session.close().await);
                return Err(error);
            }
            Ok(session)
        });
        timeout(limit, opening).await.unwrap_or_else(|_| {
            let silent = format!("no connection within {:.1} s", limit.as_secs_f32());
            Err(DbErr::Conn(RuntimeErr::Internal(silent)))
        })
    }

    /// Checks the state of the session and makes it consistent.
    async fn prepare(
        &self,
        session: &DatabaseConnection,
        required: SessionAttrs,
    ) -> Result<(), DbErr> {
        required.check(session, self.hosts.are_several()).await?;
        if self.backend == Backend::MySql {
            self.consistency.set(session).await?;
        }
        Ok(())
    }

    async fn open(
        &self,
        host: &Host,
        customize: &impl Fn(&mut ConnectOptions),
    ) -> Result<DatabaseConnection, DbErr> {
        let mut options = ConnectOptions::new(&host.url);
        customize(&mut options);
        tokio::select! {
            opened = sea_orm::Database::connect(options) => opened,
            refusal = self.refusal(host) => {
                Err(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(refusal))))
            }
        }
    }

    /// Returns the reason of a refusal. Never ends if the server accepts connections.
    async fn refusal(&self, host: &Host) -> Error {
        let several = self.hosts.are_several();
        tokio::time::sleep(if several { HEAD_START_OF_SEVERAL } else { HEAD_START }).await;
        match self.backend {
            Backend::Sqlite => pending().await,
            Backend::Postgres => Box::pin(refusal::<Postgres>(&host.url)).await,
            Backend::MySql => Box::pin(refusal::<MySql>(&host.url)).await,
        }
    }
}

/// Returns the reason why there is no connection to the server. Never ends if the server accepts one.
async fn refusal<DB: Database>(url: &str) -> Error {
    match DB::Connection::connect(url).await {
        Err(error) => {
            if are_too_many(&error) {
                // Perhaps this attempt was one too many: the pool's own is about to end.
                tokio::time::sleep(HEAD_START).await;
            }
            error
        }
        Ok(connection) => {
            // The pool's own connection is about to be opened as well.
            drop(connection.close().await);
            pending().await
        }
    }
}

/// Returns whether the server permits no more connections.
fn are_too_many(error: &Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    match error.try_downcast_ref::<MySqlDatabaseError>() {
        Some(error) => matches!(error.number(), 1040 | 1203),
        None => error.code().is_some_and(|code| code == "53300"),
    }
}

/// Returns the only error, or one with the text of all and the names of the servers.
fn one_of(mut failures: Vec<(&Host, DbErr)>) -> DbErr {
    match failures.pop() {
        Some((_, error)) if failures.is_empty() => error,
        last => {
            failures.extend(last);
            let text = |(host, error): &(&Host, DbErr)| format!("{}: {error}", host.name);
            let texts: Vec<_> = failures.iter().map(text).collect();
            DbErr::Conn(RuntimeErr::Internal(texts.join("; ")))
        }
    }
}
