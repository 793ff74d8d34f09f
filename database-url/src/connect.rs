//! Connecting, with the reason why a server cannot be reached, which a pool of connections does not tell.

use std::{future::pending, sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions, DatabaseConnection, DbErr, RuntimeErr,
    sqlx::{Connection, Database, Error, MySql, Postgres},
};
use tokio::time::timeout;

use crate::{Backend, DatabaseUrl, hosts::Host, session::SessionAttrs};

/// Time after which a connection that is not open yet is tried apart from the pool.
const HEAD_START: Duration = Duration::from_millis(500);

/// The same time if there are several servers: the next one is tried as soon as one refuses.
const HEAD_START_OF_SEVERAL: Duration = Duration::from_millis(50);

/// Time after which the next server of several is tried.
const HOST_TIMEOUT: Duration = Duration::from_secs(2);

impl DatabaseUrl {
    /// Opens a pool of connections to the first server that will do; `customize` sets its options.
    ///
    /// A pool whose server refuses connections tries again until its timeout, and then only says that it timed out. This
    /// function fails at once with the reason, such as "connection refused".
    pub async fn connect(
        &self,
        customize: impl Fn(&mut ConnectOptions),
    ) -> Result<DatabaseConnection, DbErr> {
        let mut failures = Vec::new();
        for &required in self.session_attrs().in_order() {
            for host in self.hosts.in_order() {
                match self.open_in_time(host, required, &customize).await {
                    Ok(session) => return Ok(session),
                    Err(error) => failures.push(error),
                }
                host.defer();
            }
        }
        Err(one_of(failures))
    }

    async fn open_in_time(
        &self,
        host: &Host,
        required: SessionAttrs,
        customize: &impl Fn(&mut ConnectOptions),
    ) -> Result<DatabaseConnection, DbErr> {
        // On the heap: the futures of connections are large, and would be a part of that of every statement.
        let opening = Box::pin(async {
            let session = self.open(host, customize).await?;
            required.check(&session).await?;
            if self.backend == Backend::MySql {
                self.consistency.set(&session).await;
            }
            Ok(session)
        });
        if !self.hosts.are_several() {
            return opening.await;
        }
        let silent = || DbErr::Conn(RuntimeErr::Internal("the server does not answer".to_owned()));
        timeout(HOST_TIMEOUT, opening).await.unwrap_or_else(|_| Err(silent()))
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

async fn refusal<DB: Database>(url: &str) -> Error {
    match DB::Connection::connect(url).await {
        Err(error) => error,
        Ok(connection) => {
            // The pool's own connection is about to be opened as well.
            drop(connection.close().await);
            pending().await
        }
    }
}

/// Returns the only error, or one with the text of all.
fn one_of(mut errors: Vec<DbErr>) -> DbErr {
    match errors.pop() {
        Some(error) if errors.is_empty() => error,
        last => {
            errors.extend(last);
            let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
            DbErr::Conn(RuntimeErr::Internal(texts.join("; ")))
        }
    }
}
