//! Database URLs, of one server or of several. `Display` and `Debug` mask the password.

mod connect;
mod file;
mod hosts;
mod parse;
#[cfg(test)]
mod properties;
mod session;

use std::fmt;

use hosts::Hosts;
pub use parse::Error;
use session::{Consistency, SessionAttrs};

/// URL of a database: `sqlite://file.db?mode=rwc`, `postgres://user:password@host/database` or
/// `mysql://user:password@host/database`, for which `mariadb://` may be written.
///
/// A server may be one of a list, `host1:port1,host2:port2`. The option `target_session_attrs` says which of them is
/// required, as in [PostgreSQL's URLs](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-TARGET-SESSION-ATTRS).
/// Unlike there, the first that takes writes is wanted unless the option says otherwise.
#[derive(Clone)]
pub struct DatabaseUrl {
    backend: Backend,
    hosts: Hosts,
    session: Option<SessionAttrs>,
    consistency: Consistency,
    /// URL without its password and options.
    masked: String,
}

/// Kind of the database that a [`DatabaseUrl`] refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// SQLite file.
    Sqlite,
    /// PostgreSQL server.
    Postgres,
    /// MySQL or MariaDB server.
    MySql,
}

impl DatabaseUrl {
    /// Returns the kind of the database.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Returns the URL for connections that only read and may be behind: any of several hosts is accepted, unless the URL
    /// says otherwise, and no connection waits for writes at other nodes of a cluster.
    #[must_use]
    pub fn for_replicas(mut self) -> Self {
        self.session.get_or_insert(SessionAttrs::Any);
        self.consistency = Consistency::Eventual;
        self
    }

    /// Returns the required state of a session.
    fn session_attrs(&self) -> SessionAttrs {
        let default =
            if self.hosts.are_several() { SessionAttrs::ReadWrite } else { SessionAttrs::Any };
        self.session.unwrap_or(default)
    }
}

/// Prints the URL with a masked password and without options. A user name with an escaped character is masked too: it
/// may be user and password, separated by an escaped `:`.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}
