//! Properties of URLs with arbitrary passwords.

use proptest::prelude::*;
use sea_orm::{
    ConnectOptions, Database,
    sqlx::{mysql::MySqlConnectOptions, postgres::PgConnectOptions},
};
use tokio::{runtime::Builder, time::timeout};

use url::Url;

use crate::{Backend, DatabaseUrl};

/// Time limit for the driver, which opens no connection.
const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Formats what is printed of `url`: the result of parsing it with `Display` and `Debug`, and the driver's error.
fn formatted(url: &str) -> String {
    match url.parse::<DatabaseUrl>() {
        Ok(url) => format!("{url} {url:?} {}", driver_error(&url)),
        Err(error) => format!("{error} {error:?}"),
    }
}

/// Returns the URL of the first server.
fn first(url: &DatabaseUrl) -> &str {
    url.hosts.first().unwrap()
}

/// Returns the error with which the driver refuses the URL, before it connects.
fn driver_error(url: &DatabaseUrl) -> String {
    let driver_url = first(url);
    let refused = match url.backend() {
        Backend::Postgres => driver_url.parse::<PgConnectOptions>().err(),
        Backend::MySql => driver_url.parse::<MySqlConnectOptions>().err(),
        Backend::Sqlite => None,
    };
    if let Some(error) = refused {
        return format!("{error} {error:?}");
    }
    let mut options = ConnectOptions::new(driver_url);
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
        prop_assert_eq!(first(&parsed), url.as_str());
        prop_assert_eq!(parsed.to_string(), "postgres://joe:***@db.example/shop");
    }

    #[test]
    fn arbitrary_text_never_panics_and_valid_urls_are_kept(
        url in prop_oneof!["(sqlite|postgres|mysql)[:/?@&=#a-z0-9.%\\[\\] -]{0,30}", "(?s).*"],
    ) {
        if let Ok(parsed) = url.parse::<DatabaseUrl>() {
            prop_assert_eq!(first(&parsed), url);
        }
    }
}
