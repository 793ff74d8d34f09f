//! Classes of database errors: the only place that looks into [`DbErr`].

use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError, SqlxMySqlError, SqlxSqliteError};

/// Class of a database error, by what the caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorClass {
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
pub(crate) fn classify(error: &DbErr) -> ErrorClass {
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
    match error {
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed
        | SqlxError::BeginFailed => ErrorClass::Unavailable,
        SqlxError::Database(error) => {
            let code = error.code().unwrap_or_default();
            if error.try_downcast_ref::<SqlxSqliteError>().is_some() {
                classify_sqlite(&code)
            } else if let Some(error) = error.try_downcast_ref::<SqlxMySqlError>() {
                classify_mysql(error.number())
            } else {
                classify_postgres(&code)
            }
        }
        _ => ErrorClass::Other,
    }
}

/// The low byte of an extended code is the primary one: <https://www.sqlite.org/rescode.html>.
fn classify_sqlite(code: &str) -> ErrorClass {
    match code.parse::<i32>().unwrap_or_default() & 0xff {
        5 | 6 => ErrorClass::Contention,             // BUSY, LOCKED
        8 | 10 | 13 | 14 => ErrorClass::Unavailable, // READONLY, IOERR, FULL, CANTOPEN
        _ => ErrorClass::Other,
    }
}

/// <https://mariadb.com/docs/server/reference/error-codes>
fn classify_mysql(number: u16) -> ErrorClass {
    match number {
        // Record changed, lock wait timeout, deadlock.
        1020 | 1205 | 1213 => ErrorClass::Contention,
        // Disk full, too many connections, shutdown, table full, user limit, read-only, killed.
        1021 | 1040 | 1053 | 1114 | 1203 | 1290 | 1836 | 1927 => ErrorClass::Unavailable,
        _ => ErrorClass::Other,
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn classify_postgres(state: &str) -> ErrorClass {
    match state {
        // Serialisation failure, deadlock, lock timeout.
        "40001" | "40P01" | "55P03" => ErrorClass::Contention,
        // Read-only transaction.
        "25006" => ErrorClass::Unavailable,
        _ if ["08", "53", "57"].iter().any(|class| state.starts_with(class)) => {
            ErrorClass::Unavailable
        }
        _ => ErrorClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_class_that_decides_about_a_retry() {
        assert_eq!(classify_sqlite("517"), ErrorClass::Contention); // BUSY_SNAPSHOT
        assert_eq!(classify_sqlite("13"), ErrorClass::Unavailable);
        assert_eq!(classify_sqlite("1"), ErrorClass::Other);
        assert_eq!(classify_mysql(1213), ErrorClass::Contention);
        assert_eq!(classify_mysql(1146), ErrorClass::Other);
        assert_eq!(classify_postgres("40P01"), ErrorClass::Contention);
        assert_eq!(classify_postgres("57P01"), ErrorClass::Unavailable);
        assert_eq!(classify_postgres("42P01"), ErrorClass::Other);
    }
}
