//! The address of a database, which may hold a password and therefore never prints whole.

use std::{fmt, str::FromStr};

use sea_orm::DbBackend;
use url::Url;

use crate::{Error, Result};

/// `sqlite://file.db?mode=rwc`, `postgres://user:password@host/database` or
/// `mysql://user:password@host/database`.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    url: String,
    backend: DbBackend,
}

impl DatabaseUrl {
    /// The whole address, password included: for whoever connects, not for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.url
    }

    /// Which of the three databases it leads to.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.backend
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        let scheme = url.split(':').next().unwrap_or_default();
        let backend = match scheme {
            "sqlite" => DbBackend::Sqlite,
            "postgres" | "postgresql" => DbBackend::Postgres,
            "mysql" | "mariadb" => DbBackend::MySql,
            _ => {
                return Err(Error::Configuration(
                    "the database URL must start with sqlite:, postgres: or mysql:".to_owned(),
                ));
            }
        };
        if backend == DbBackend::Sqlite {
            refuse_memory(url)?;
        } else {
            let wrong = |error| Error::Configuration(format!("not a database URL: {error}"));
            Url::parse(url).map_err(wrong)?;
        }
        Ok(Self { url: url.to_owned(), backend })
    }
}

/// Each connection of a pool would see a database of its own.
fn refuse_memory(url: &str) -> Result<()> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(Error::Configuration(
            "SQLite in memory cannot be shared by connections; name a file".to_owned(),
        ));
    }
    Ok(())
}

/// Without password and options.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = self.url.split('?').next().unwrap_or_default();
        match Url::parse(bare) {
            Ok(mut url) if url.password().is_some() => {
                // Fails for addresses without a host, which cannot have a password.
                if url.set_password(Some("***")).is_err() {
                    return f.write_str("***");
                }
                write!(f, "{url}")
            }
            _ => f.write_str(bare),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_printed() {
        for url in [
            "postgres://joe:s3cret@db.example/shop?password=s3cret&sslmode=require",
            "mysql://joe:s3cret@127.0.0.1:3306/shop",
            "postgres://joe:s3c%72et@db/shop",
        ] {
            let parsed: DatabaseUrl = url.parse().unwrap();
            for shown in [format!("{parsed}"), format!("{parsed:?}")] {
                assert!(shown.contains("joe:***@"), "{shown}");
                assert!(!shown.contains("s3c"), "{shown}");
            }
            assert_eq!(parsed.expose(), url);
        }
    }

    #[test]
    fn what_leads_to_no_database_is_refused_without_being_repeated() {
        for url in
            ["", "oracle://joe:s3cret@db/shop", "postgres://joe:s3cret@:x/", "sqlite::memory:"]
        {
            let error = url.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
