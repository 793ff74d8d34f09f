//! Database URLs. `Display` and `Debug` mask the password.

mod connect;
mod file;

use std::{fmt, str::FromStr};

use url::Url;

/// URL of a database: `sqlite://file.db?mode=rwc`, `postgres://user:password@host/database` or
/// `mysql://user:password@host/database`, for which `mariadb://` may be written.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    url: String,
    backend: Backend,
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

/// Parse error of a database URL. Messages contain no part of the URL that may be secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Unknown scheme.
    #[error("the database URL must start with sqlite:, postgres:, mysql: or mariadb:")]
    Scheme,
    /// Malformed URL.
    #[error("not a database URL: {0}")]
    Malformed(#[from] url::ParseError),
    /// URL of a server without `//`, whose password no parser finds.
    #[error("not a database URL: // must follow the scheme of a database server")]
    NoServer,
    /// Unescaped delimiter in the password: the parser would read the rest of the password as another
    /// part of the URL, which is printed.
    #[error(
        "not a database URL: in a password, write %40 for @, %2F for /, %3F for ? and %23 for #"
    )]
    Unescaped,
    /// Unknown option. The driver would ignore it and log its value.
    #[error("unknown option {0} in the database URL")]
    Option(String),
    /// Unknown option beside a `password` option: it may be the part of a password after an unescaped `&`,
    /// so its name is not repeated.
    #[error("unknown option in the database URL, or an & in the password that is not written %26")]
    OptionBesidePassword,
    /// In-memory database: each connection of a pool would open a separate one.
    #[error("SQLite needs a file, as in sqlite://marketplace.db?mode=rwc")]
    NoFile,
}

impl DatabaseUrl {
    /// Returns the full URL with the password, for the driver only. It must not be logged.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.url
    }

    /// Returns the kind of the database.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self, Error> {
        let backend = match url.split(':').next().unwrap_or_default() {
            "sqlite" => Backend::Sqlite,
            "postgres" | "postgresql" => Backend::Postgres,
            "mysql" | "mariadb" => Backend::MySql,
            _ => return Err(Error::Scheme),
        };
        match backend {
            Backend::Sqlite => check_file(url)?,
            Backend::Postgres | Backend::MySql => check_server(url, backend)?,
        }
        // The driver knows no other name of the scheme.
        let url = match url.strip_prefix("mariadb:") {
            Some(rest) => format!("mysql:{rest}"),
            None => url.to_owned(),
        };
        Ok(Self { url, backend })
    }
}

fn check_file(url: &str) -> Result<(), Error> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let file = path.trim_start_matches("sqlite:").trim_start_matches("//");
    if file.is_empty() || file == ":memory:" || query.contains("mode=memory") {
        return Err(Error::NoFile);
    }
    Ok(())
}

fn check_server(url: &str, backend: Backend) -> Result<(), Error> {
    let url = Url::parse(url)?;
    if !url.has_authority() {
        return Err(Error::NoServer);
    }
    if url.path().contains('@') || url.query().is_some_and(|query| query.contains('@')) {
        return Err(Error::Unescaped);
    }
    if url.fragment().is_some() {
        return Err(Error::Unescaped);
    }
    match url.query_pairs().find(|(key, _)| !is_known(backend, key)) {
        Some(_) if url.query_pairs().any(|(key, _)| key == "password") => {
            Err(Error::OptionBesidePassword)
        }
        Some((key, _)) => Err(Error::Option(key.into_owned())),
        None => Ok(()),
    }
}

/// Returns whether the sqlx driver knows the option.
fn is_known(backend: Backend, key: &str) -> bool {
    let shared = ["sslmode", "ssl-mode", "ssl-ca", "sslcert", "ssl-cert", "sslkey", "ssl-key"];
    let own: &[&str] = match backend {
        Backend::Postgres => &[
            "sslrootcert",
            "ssl-root-cert",
            "host",
            "hostaddr",
            "port",
            "dbname",
            "user",
            "password",
            "application_name",
            "options",
        ],
        _ => &["sslca", "charset", "collation", "socket", "timezone", "time-zone"],
    };
    let nested = backend == Backend::Postgres && key.starts_with("options[") && key.ends_with(']');
    nested || key == "statement-cache-capacity" || shared.contains(&key) || own.contains(&key)
}

/// Prints the URL with a masked password and without options. A user name with an escaped character is masked too: it
/// may be user and password, separated by an escaped `:`.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = self.url.split('?').next().unwrap_or_default();
        let Ok(mut url) = Url::parse(bare) else { return f.write_str(bare) };
        if url.password().is_none() && !url.username().contains('%') {
            return f.write_str(bare);
        }
        let user = if url.username().contains('%') { "***" } else { url.username() }.to_owned();
        // An error means that the URL has no host, so it cannot have a user.
        if url.set_username(&user).and_then(|()| url.set_password(Some("***"))).is_err() {
            return f.write_str("***");
        }
        write!(f, "{url}")
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
    fn mariadb_is_another_name_for_mysql() {
        let url: DatabaseUrl = "mariadb://joe:s3cret@db/shop".parse().unwrap();
        assert_eq!(url.backend(), Backend::MySql);
        assert_eq!(url.expose(), "mysql://joe:s3cret@db/shop");
        assert_eq!(url.to_string(), "mysql://joe:***@db/shop");
    }

    #[test]
    fn invalid_urls_are_refused_and_secrets_are_not_repeated() {
        for url in [
            "",
            "oracle://joe:s3cret@db/shop",
            "postgres://joe:s3cret@:x/",
            "postgres://joe:12/s3cret@db/shop",
            "mysql://joe:12#s3cret@db/shop",
            "mysql://joe:12?s3cret@db/shop",
            "postgres://joe@db/shop?passwort=s3cret",
            "postgres://joe@db/shop?password=12&s3cret",
            "mysql:joe:s3cret",
            "postgres:/joe:s3cret@db/shop",
            "mariadb:joe:s3cret@db/shop",
            "mariadbs://joe:s3cret@db/shop",
            "MARIADB://joe:s3cret@db/shop",
            "sqlite::memory:",
            "sqlite://",
            "sqlite://?mode=rwc",
            "sqlite://x?mode=memory",
        ] {
            let error = url.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;
    use sea_orm::{
        ConnectOptions, Database,
        sqlx::{mysql::MySqlConnectOptions, postgres::PgConnectOptions},
    };
    use tokio::{runtime::Builder, time::timeout};

    use super::*;

    /// Time limit for the driver, which opens no connection.
    const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

    /// Formats what is printed of `url`: the result of parsing it with `Display` and `Debug`, and the driver's error.
    fn formatted(url: &str) -> String {
        match url.parse::<DatabaseUrl>() {
            Ok(url) => format!("{url} {url:?} {}", driver_error(&url)),
            Err(error) => format!("{error} {error:?}"),
        }
    }

    /// Returns the error with which the driver refuses the URL, before it connects.
    fn driver_error(url: &DatabaseUrl) -> String {
        let refused = match url.backend() {
            Backend::Postgres => url.expose().parse::<PgConnectOptions>().err(),
            Backend::MySql => url.expose().parse::<MySqlConnectOptions>().err(),
            Backend::Sqlite => None,
        };
        if let Some(error) = refused {
            return format!("{error} {error:?}");
        }
        let mut options = ConnectOptions::new(url.expose());
        options.connect_lazy(true).sqlx_logging(false);
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let connected =
            runtime.block_on(async { timeout(CONNECT_TIMEOUT, Database::connect(options)).await });
        match connected {
            Ok(Err(error)) => format!("{error} {error:?}"),
            _ => String::new(),
        }
    }

    proptest! {
        #[test]
        fn unescaped_passwords_are_never_printed(
            password in "[!-~]{0,6}s3cret[!-~]{0,6}",
            scheme in "postgres|postgresql|mysql|mariadb|oracle|MariaDB|mysqlx|postgresq",
        ) {
            for url in [
                format!("{scheme}://joe:{password}@db.example/shop"),
                format!("{scheme}:joe:{password}@db.example/shop"),
                format!("{scheme}:/joe:{password}@db.example/shop"),
                format!("{scheme}:////joe:{password}@db.example/shop"),
                format!("{scheme}://joe%3A{password}@db.example/shop"),
                format!("{scheme}://joe:x:{password}@db.example/shop"),
                format!("{scheme}://:{password}@db.example/shop"),
                format!("{scheme}://joe:{password}@/shop"),
                format!("{scheme}://joe:{password}@db.example:port/shop"),
                format!("{scheme}://joe:{password}@[::1/shop"),
                format!("{scheme}://joe:{password}@db.example:5432/shop?sslmode=require"),
                format!("{scheme}://db.example/shop?user=joe&password={password}"),
                format!("{scheme}://db.example/shop?password={password}&sslmode=require"),
            ] {
                let text = formatted(&url);
                prop_assert!(!text.contains("s3cret"), "{url} gives {text}");
            }
        }

        #[test]
        fn an_escaped_password_is_accepted_and_masked(password in "(?s).{1,20}") {
            let mut url = Url::parse("postgres://joe@db.example/shop").unwrap();
            url.set_password(Some(&password)).unwrap();
            let parsed: DatabaseUrl = url.as_str().parse().unwrap();
            prop_assert_eq!(parsed.expose(), url.as_str());
            prop_assert_eq!(parsed.to_string(), "postgres://joe:***@db.example/shop");
        }

        #[test]
        fn arbitrary_text_never_panics_and_valid_urls_are_kept(
            url in prop_oneof!["(sqlite|postgres|mysql)[:/?@&=#a-z0-9.%\\[\\] -]{0,30}", "(?s).*"],
        ) {
            if let Ok(parsed) = url.parse::<DatabaseUrl>() {
                prop_assert_eq!(parsed.expose(), url);
            }
        }
    }
}
