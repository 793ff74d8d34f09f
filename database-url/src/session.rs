//! State that a session must have: of several servers, one that takes writes may be required, or one that does not.

use std::str::FromStr;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, RuntimeErr, SqlxMySqlError, Statement,
};

use crate::Error;

/// Required state of a session. MySQL does not tell a standby from another server that is read-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAttrs {
    /// None.
    Any,
    /// It takes writes.
    ReadWrite,
    /// It takes no writes.
    ReadOnly,
    /// Its server is not a standby.
    Primary,
    /// Its server is a standby.
    Standby,
    /// Its server is a standby, or any other if there is none.
    PreferStandby,
}

impl SessionAttrs {
    /// Names in URLs.
    pub const NAMES: [(&str, Self); 6] = [
        ("any", Self::Any),
        ("read-write", Self::ReadWrite),
        ("read-only", Self::ReadOnly),
        ("primary", Self::Primary),
        ("standby", Self::Standby),
        ("prefer-standby", Self::PreferStandby),
    ];

    /// Returns the requirements to try on all servers, one after the other.
    pub fn in_order(self) -> &'static [Self] {
        match self {
            Self::Any => &[Self::Any],
            Self::ReadWrite => &[Self::ReadWrite],
            Self::ReadOnly => &[Self::ReadOnly],
            Self::Primary => &[Self::Primary],
            Self::Standby => &[Self::Standby],
            Self::PreferStandby => &[Self::Standby, Self::Any],
        }
    }

    /// Checks the state of the session. One statement, none if any will be accepted of the only server.
    ///
    /// Of several servers, one must answer a query: a node that has lost its cluster accepts sessions as well.
    pub async fn check(
        self,
        session: &DatabaseConnection,
        has_alternatives: bool,
    ) -> Result<(), DbErr> {
        if self == Self::Any && !has_alternatives {
            return Ok(());
        }
        let State { is_read_only, is_standby } = State::of(session).await?;
        let refusal = match self {
            Self::ReadWrite if is_read_only => "the server takes no writes",
            Self::ReadOnly if !is_read_only => "the server takes writes",
            Self::Primary if is_standby => "the server is a standby",
            Self::Standby if !is_standby => "the server is not a standby",
            _ => return Ok(()),
        };
        Err(DbErr::Conn(RuntimeErr::Internal(refusal.to_owned())))
    }
}

impl FromStr for SessionAttrs {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let known = Self::NAMES.into_iter().find(|(known, _)| *known == name);
        known.map(|(_, attrs)| attrs).ok_or(Error::Session)
    }
}

/// Relation of reads to writes that other nodes of a MySQL cluster have acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Reads see them. The session waits for them before a statement or transaction.
    Strong,
    /// Reads may be behind.
    Eventual,
}

impl Consistency {
    /// Variables of sessions on MariaDB with Galera and on MySQL with group replication. Other servers have none.
    const STRONG: [&str; 2] =
        ["SET SESSION wsrep_sync_wait = 1", "SET SESSION group_replication_consistency = 'BEFORE'"];

    /// Prepares a session of MySQL.
    pub async fn set(self, session: &DatabaseConnection) -> Result<(), DbErr> {
        if self == Self::Eventual {
            return Ok(());
        }
        for statement in Self::STRONG {
            match session.execute_unprepared(statement).await {
                Err(error) if is_unknown_variable(&error) => {}
                outcome => return outcome.map(drop),
            }
        }
        Ok(())
    }
}

fn is_unknown_variable(error: &DbErr) -> bool {
    let DbErr::Exec(RuntimeErr::SqlxError(error)) = error else { return false };
    let error = error.as_database_error().and_then(|error| error.try_downcast_ref());
    error.is_some_and(|error: &SqlxMySqlError| error.number() == 1193)
}

struct State {
    is_read_only: bool,
    is_standby: bool,
}

impl State {
    async fn of(session: &DatabaseConnection) -> Result<Self, DbErr> {
        let backend = session.get_database_backend();
        let query = match backend {
            DbBackend::Postgres => {
                "SELECT current_setting('transaction_read_only') = 'on', pg_is_in_recovery()"
            }
            // MariaDB has numbers or words. A reader of a shared storage has the second variable only.
            _ => {
                "SELECT read_only, read_only FROM (SELECT CAST(@@global.read_only AS CHAR) NOT IN ('0', 'OFF') \
                 OR @@global.innodb_read_only AS read_only) AS state"
            }
        };
        let row = session.query_one_raw(Statement::from_string(backend, query)).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("the state of a session".to_owned()))?;
        Ok(Self { is_read_only: row.try_get_by_index(0)?, is_standby: row.try_get_by_index(1)? })
    }
}
