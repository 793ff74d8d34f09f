//! Classes of database errors: the only place that looks into [`DbErr`].

use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError, SqlxMySqlError, SqlxSqliteError};

/// Class of a database error, by what the caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// A unique or foreign key was violated.
    Conflict,
    /// Another transaction was in the way: the transaction may be run again.
    Contention,
    /// The database is unreachable, full, read-only or overloaded.
    Unavailable,
    /// Anything else: a defect of this program or of the database.
    Other,
}

/// Returns the class of `error`.
pub fn classify(error: &DbErr) -> ErrorClass {
    if let Some(SqlErr::ForeignKeyConstraintViolation(_) | SqlErr::UniqueConstraintViolation(_)) =
        error.sql_err()
    {
        return ErrorClass::Conflict;
    }
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error)) => match classify_sqlx(error) {
            ErrorClass::Other => ErrorClass::Unavailable,
            class => class,
        },
        DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => ErrorClass::Unavailable,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            classify_sqlx(error)
        }
        _ => ErrorClass::Other,
    }
}

fn classify_sqlx(error: &SqlxError) -> ErrorClass {
    let SqlxError::Database(error) = error else {
        return match error {
            SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::Protocol(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed
            | SqlxError::BeginFailed => ErrorClass::Unavailable,
            _ => ErrorClass::Other,
        };
    };
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqlxSqliteError>().is_some() {
        classify_sqlite(&code)
    } else if let Some(error) = error.try_downcast_ref::<SqlxMySqlError>() {
        classify_mysql(error.number(), &code)
    } else {
        classify_state(&code)
    }
}

/// The low byte of an extended code is the primary one: <https://www.sqlite.org/rescode.html>.
fn classify_sqlite(code: &str) -> ErrorClass {
    match code.parse::<i32>().unwrap_or_default() & 0xff {
        5 | 6 => ErrorClass::Contention,                 // BUSY, LOCKED
        8 | 9 | 10 | 13 | 14 => ErrorClass::Unavailable, // READONLY, INTERRUPT, IOERR, FULL, CANTOPEN
        _ => ErrorClass::Other,
    }
}

/// Most errors have the general state HY000, so the number decides first:
/// <https://mariadb.com/docs/server/reference/error-codes>,
/// <https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html>.
fn classify_mysql(number: u16, state: &str) -> ErrorClass {
    match number {
        // Record changed, failure during COMMIT (a conflict between nodes), lock wait timeout, deadlock, rolled back by
        // group replication.
        1020 | 1180 | 1205 | 1213 | 3100 | 3101 => ErrorClass::Contention,
        _ if is_fatal_mysql(number) => ErrorClass::Unavailable,
        // Disk full, too many connections, table full, user limit, statement timeout, statement ended.
        1021 | 1040 | 1114 | 1203 | 1317 | 1969 | 3024 => ErrorClass::Unavailable,
        _ => classify_state(state),
    }
}

/// Errors of MySQL that another connection may not meet.
fn is_fatal_mysql(number: u16) -> bool {
    is_fatal_server_mysql(number) || matches!(number, 1792 | 1927 | 4031) // read-only, killed
}

/// Errors of MySQL that another connection to the same server meets as well: node not ready (with the text of an unknown
/// command), shutdown, read-only, offline. A member of a group that leaves it, or catches up before it becomes the primary,
/// begins no transaction.
fn is_fatal_server_mysql(number: u16) -> bool {
    matches!(number, 1047 | 1053 | 1290 | 1836 | 3032 | 4312 | 4313 | 3781..=3783 | 3796..=3799)
}

/// Class by SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn classify_state(state: &str) -> ErrorClass {
    match (state.get(..2).unwrap_or_default(), state) {
        // The database does not know whether the statement was completed.
        (_, "40003") => ErrorClass::Unavailable,
        // Transaction rolled back; lock timeout.
        ("40", _) | (_, "55P03") => ErrorClass::Contention,
        // Connection, resources, operator or shutdown; read-only transaction; system error.
        ("08" | "53" | "57" | "58", _) | (_, "25006") => ErrorClass::Unavailable,
        _ => ErrorClass::Other,
    }
}

/// Returns whether the driver had no connection for the statement.
pub fn is_lost(error: &DbErr) -> bool {
    matches!(error, DbErr::Conn(_))
}

/// Returns whether the database refuses to write, while it may be read.
pub fn is_read_only(error: &DbErr) -> bool {
    match reported(error) {
        Some(Reported::MySql(number, _)) => matches!(number, 1290 | 1792 | 1836),
        Some(Reported::Postgres(state)) => state == "25006",
        Some(Reported::Sqlite(code)) => code == 8,
        None => false,
    }
}

/// Returns whether the database says by this error of a commit that it has rolled the transaction back. A failure of the
/// disk says nothing, except that SQLite's error of a full one is found before the commit is written.
pub fn is_rolled_back(error: &DbErr) -> bool {
    match reported(error) {
        // The failure of a commit has its reason in the text: a conflict between nodes, or a node that lost the others
        // while they may commit.
        Some(Reported::MySql(1180, _)) => error.to_string().contains("error 149"),
        Some(Reported::MySql(number, state)) => {
            // Not ready, shutdown, ended by a time limit, killed; 3100: the node is leaving its group.
            !matches!(number, 1047 | 1053 | 1317 | 1927 | 1969 | 3024 | 3100 | 4031)
                && !state.starts_with("08")
        }
        Some(Reported::Postgres(state)) => {
            state != "40003" && !["08", "57P", "58"].iter().any(|class| state.starts_with(class))
        }
        Some(Reported::Sqlite(code)) => matches!(code, 5 | 6 | 13 | 19),
        None => false,
    }
}

/// Returns whether this conflict at a commit may be that of a node that is leaving its cluster, whose other nodes commit the
/// transaction: an error of group replication, or a failure during the commit.
pub fn may_be_committed_elsewhere(error: &DbErr) -> bool {
    matches!(reported(error), Some(Reported::MySql(1180 | 3101, _)))
}

/// Error that the database reported, with its codes.
enum Reported {
    MySql(u16, String),
    Postgres(String),
    /// Primary code.
    Sqlite(i32),
}

fn reported(error: &DbErr) -> Option<Reported> {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    let SqlxError::Database(error) = &**error else { return None };
    let code = error.code().unwrap_or_default().into_owned();
    Some(if error.try_downcast_ref::<SqlxSqliteError>().is_some() {
        Reported::Sqlite(code.parse::<i32>().unwrap_or_default() & 0xff)
    } else if let Some(error) = error.try_downcast_ref::<SqlxMySqlError>() {
        Reported::MySql(error.number(), code)
    } else {
        Reported::Postgres(code)
    })
}

/// Effect of an error on the connection that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Nothing: the database answered as it should.
    None,
    /// The connection is not to be used again, because its state is unknown.
    Connection,
    /// Other connections to this server are lost as well, or lead to a server that takes no writes.
    Server,
}

/// Returns what `error` says about the connection that met it.
pub fn damage(error: &DbErr) -> Damage {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => damage_of_sqlx(error),
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Damage::Connection,
        _ => Damage::None,
    }
}

fn damage_of_sqlx(error: &SqlxError) -> Damage {
    match error {
        SqlxError::RowNotFound => Damage::None,
        SqlxError::Io(_) | SqlxError::Tls(_) => Damage::Server,
        SqlxError::Database(error) => {
            let code = error.code().unwrap_or_default();
            if error.try_downcast_ref::<SqlxSqliteError>().is_some() {
                Damage::None
            } else if let Some(error) = error.try_downcast_ref::<SqlxMySqlError>() {
                damage_of_mysql(error.number(), &code)
            } else {
                damage_of_state(&code)
            }
        }
        // The driver may have sent half of a message, or left half of an answer unread.
        _ => Damage::Connection,
    }
}

fn damage_of_mysql(number: u16, state: &str) -> Damage {
    if is_fatal_server_mysql(number) {
        Damage::Server
    } else if is_fatal_mysql(number) {
        Damage::Connection
    } else {
        damage_of_state(state)
    }
}

fn damage_of_state(state: &str) -> Damage {
    match state {
        // Read-only transaction, shutdown, crash, start-up.
        "25006" | "57P01" | "57P02" | "57P03" => Damage::Server,
        // Connection, idle for too long.
        _ if state.starts_with("08") || state == "57P05" => Damage::Connection,
        _ => Damage::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_closed_after_errors_that_are_not_the_statements() {
        let damage =
            |error| damage(&DbErr::Query(RuntimeErr::SqlxError(std::sync::Arc::new(error))));
        assert_eq!(damage(SqlxError::RowNotFound), Damage::None);
        assert_eq!(damage(SqlxError::Io(std::io::ErrorKind::BrokenPipe.into())), Damage::Server);
        assert_eq!(damage(SqlxError::Protocol("as if".to_owned())), Damage::Connection);
        assert_eq!(damage(SqlxError::Encode("as if".into())), Damage::Connection);
        for (state, damage) in [
            ("08006", Damage::Connection),
            ("25006", Damage::Server),
            ("57P01", Damage::Server),
            ("40001", Damage::None),
            ("57014", Damage::None),
            ("53100", Damage::None),
            ("42P01", Damage::None),
        ] {
            assert_eq!(damage_of_state(state), damage, "{state}");
        }
        for (number, state, damage) in [
            (1047, "08S01", Damage::Server),
            (1290, "HY000", Damage::Server),
            (3799, "HY000", Damage::Server),
            (1927, "70100", Damage::Connection),
            (1213, "40001", Damage::None),
        ] {
            assert_eq!(damage_of_mysql(number, state), damage, "{number}");
        }
    }

    #[test]
    fn codes_have_the_class_that_decides_about_a_retry() {
        assert_eq!(classify_sqlite("517"), ErrorClass::Contention); // BUSY_SNAPSHOT
        assert_eq!(classify_sqlite("13"), ErrorClass::Unavailable);
        assert_eq!(classify_sqlite("1"), ErrorClass::Other);
        for (number, state, class) in [
            (1213, "40001", ErrorClass::Contention),
            (1180, "HY000", ErrorClass::Contention),
            (3100, "HY000", ErrorClass::Contention),
            (3101, "40000", ErrorClass::Contention),
            (1047, "08S01", ErrorClass::Unavailable),
            (1290, "HY000", ErrorClass::Unavailable),
            (3797, "HY000", ErrorClass::Unavailable),
            (9999, "08S01", ErrorClass::Unavailable),
            (9999, "40001", ErrorClass::Contention),
            (1146, "42S02", ErrorClass::Other),
        ] {
            assert_eq!(classify_mysql(number, state), class, "{number} {state}");
        }
        for (state, class) in [
            ("40P01", ErrorClass::Contention),
            ("40002", ErrorClass::Contention),
            ("40003", ErrorClass::Unavailable),
            ("57P01", ErrorClass::Unavailable),
            ("08006", ErrorClass::Unavailable),
            ("25006", ErrorClass::Unavailable),
            ("42P01", ErrorClass::Other),
            ("", ErrorClass::Other),
        ] {
            assert_eq!(classify_state(state), class, "{state}");
        }
    }
}
