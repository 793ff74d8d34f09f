//! Connecting, with the reason why a server cannot be reached, which a pool of connections does not tell.

use std::{future::pending, sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions, DatabaseConnection, DbErr, RuntimeErr,
    sqlx::{Connection, Database, Error, MySql, Postgres},
};

use crate::{Backend, DatabaseUrl};

/// Time after which a connection that is not open yet is tried apart from the pool.
const HEAD_START: Duration = Duration::from_millis(500);

impl DatabaseUrl {
    /// Opens a pool of connections; `customize` sets its options.
    ///
    /// A pool whose server refuses connections tries again until its timeout, and then only says that it timed out. This
    /// function fails at once with the reason, such as "connection refused".
    pub async fn connect(
        &self,
        customize: impl FnOnce(&mut ConnectOptions),
    ) -> Result<DatabaseConnection, DbErr> {
        let mut options = ConnectOptions::new(&self.url);
        customize(&mut options);
        // On the heap: the futures of connections are large, and would be a part of that of every statement.
        tokio::select! {
            opened = Box::pin(sea_orm::Database::connect(options)) => opened,
            refusal = self.refusal() => {
                Err(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(refusal))))
            }
        }
    }

    /// Returns the reason of a refusal. Never ends if the server accepts connections.
    async fn refusal(&self) -> Error {
        tokio::time::sleep(HEAD_START).await;
        match self.backend {
            Backend::Sqlite => pending().await,
            Backend::Postgres => Box::pin(refusal::<Postgres>(&self.url)).await,
            Backend::MySql => Box::pin(refusal::<MySql>(&self.url)).await,
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
