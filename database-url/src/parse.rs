//! Parsing of database URLs. Options that the drivers do not know are refused, because the drivers would log them.

use std::str::FromStr;

use url::{Host, Url};

use crate::{
    Backend, DatabaseUrl,
    hosts::Hosts,
    session::{Consistency, SessionAttrs},
};

/// Name of the option that this crate understands itself.
const SESSION_OPTION: &str = "target_session_attrs";

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
    /// IPv6 address, which the driver cannot connect to.
    #[error(
        "in a database URL an IPv6 address must be given by a host name, such as ip6-localhost for [::1]"
    )]
    Ipv6,
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
    /// Unknown value of the option for the server that is wanted of several.
    #[error("{SESSION_OPTION} must be one of {}", SessionAttrs::NAMES.map(|(name, _)| name).join(", "))]
    Session,
    /// In-memory database: each connection of a pool would open a separate one.
    #[error("SQLite needs a file, as in sqlite://marketplace.db?mode=rwc")]
    NoFile,
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
            Backend::Sqlite => file(url),
            Backend::Postgres | Backend::MySql => {
                // The driver knows no other name of the scheme.
                match url.strip_prefix("mariadb:") {
                    Some(rest) => servers(&format!("mysql:{rest}"), backend),
                    None => servers(url, backend),
                }
            }
        }
    }
}

fn file(url: &str) -> Result<DatabaseUrl, Error> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let file = path.trim_start_matches("sqlite:").trim_start_matches("//");
    if file.is_empty() || file == ":memory:" || query.contains("mode=memory") {
        return Err(Error::NoFile);
    }
    let hosts = Hosts::new([(path.to_owned(), url.to_owned())]);
    Ok(DatabaseUrl {
        backend: Backend::Sqlite,
        hosts,
        session: None,
        consistency: Consistency::Strong,
        // A URL of a server with the wrong scheme may have a password.
        masked: Parts::of(path).map_or_else(|_| path.to_owned(), |parts| parts.masked()),
    })
}

fn servers(url: &str, backend: Backend) -> Result<DatabaseUrl, Error> {
    let parts = Parts::of(url)?;
    let (options, session) = take_session_option(parts.options);
    let session = session.map(str::parse).transpose()?;
    let with_host =
        |host| format!("{}{}{host}{}{options}", parts.scheme, parts.user_info, parts.path);
    let hosts: Vec<_> =
        parts.hosts.split(',').map(|host| (host.to_owned(), with_host(host))).collect();
    for (_, url) in &hosts {
        check_server(url, backend)?;
    }
    Ok(DatabaseUrl {
        backend,
        hosts: Hosts::new(hosts),
        session,
        consistency: Consistency::Strong,
        masked: parts.masked(),
    })
}

/// Parts of the URL of a server, which together are the URL.
struct Parts<'a> {
    /// With `://`.
    scheme: &'a str,
    /// With `@`, or empty.
    user_info: &'a str,
    hosts: &'a str,
    /// With `/`, or empty.
    path: &'a str,
    /// With `?`, or empty. A fragment is a part of it.
    options: &'a str,
}

impl<'a> Parts<'a> {
    /// Splits the URL as the [standard](https://url.spec.whatwg.org/#authority-state) says: the user information ends with
    /// the last `@` before the path.
    fn of(url: &'a str) -> Result<Self, Error> {
        let start = url.find("://").ok_or(Error::NoServer)? + "://".len();
        let (scheme, rest) = url.split_at(start);
        let (rest, options) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user_info, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        Ok(Self { scheme, user_info, hosts, path, options })
    }

    /// Returns the URL without its password and options.
    fn masked(&self) -> String {
        let Self { scheme, hosts, path, .. } = self;
        format!("{scheme}{}{hosts}{path}", self.masked_user())
    }

    fn masked_user(&self) -> String {
        let user_info = self.user_info.trim_end_matches('@');
        match user_info.split_once(':') {
            Some((user, _)) if !user.contains('%') => format!("{user}:***@"),
            None if !user_info.contains('%') => self.user_info.to_owned(),
            _ => "***:***@".to_owned(),
        }
    }
}

/// Returns the options without the one for the session, and its value.
fn take_session_option(options: &str) -> (String, Option<&str>) {
    let Some(options) = options.strip_prefix('?') else { return (options.to_owned(), None) };
    let name = |option: &str| option.split('=').next() == Some(SESSION_OPTION);
    let (own, others): (Vec<_>, Vec<_>) = options.split('&').partition(|option| name(option));
    let value = own.last().map(|option| option.split_once('=').map_or("", |(_, value)| value));
    let others = others.join("&");
    (if others.is_empty() { others } else { format!("?{others}") }, value)
}

fn check_server(url: &str, backend: Backend) -> Result<(), Error> {
    let url = Url::parse(url)?;
    if !url.has_authority() {
        return Err(Error::NoServer);
    }
    if let Some(Host::Ipv6(_)) = url.host() {
        return Err(Error::Ipv6);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &DatabaseUrl) -> Vec<&str> {
        url.hosts.in_order().into_iter().map(|host| host.url.as_str()).collect()
    }

    #[test]
    fn the_password_is_never_printed() {
        for url in [
            "postgres://joe:s3cret@db.example/shop?password=s3cret&sslmode=require",
            "mysql://joe:s3cret@127.0.0.1:3306/shop",
            "postgres://joe:s3c%72et@db/shop",
        ] {
            let parsed: DatabaseUrl = url.parse().unwrap();
            for shown in [format!("{parsed}"), format!("{parsed:?}")] {
                assert!(shown.contains(":***@"), "{shown}");
                assert!(!shown.contains("s3c"), "{shown}");
            }
            assert_eq!(hosts(&parsed), [url]);
        }
    }

    #[test]
    fn mariadb_is_another_name_for_mysql() {
        let url: DatabaseUrl = "mariadb://joe:s3cret@db/shop".parse().unwrap();
        assert_eq!(url.backend(), Backend::MySql);
        assert_eq!(hosts(&url), ["mysql://joe:s3cret@db/shop"]);
        assert_eq!(url.to_string(), "mysql://joe:***@db/shop");
    }

    #[test]
    fn each_host_of_a_list_has_the_rest_of_the_url() {
        let text = "postgres://joe:s3,cret@a:1,b:2,c/shop?sslmode=require&target_session_attrs=any&options=-c";
        let url: DatabaseUrl = text.parse().unwrap();
        assert_eq!(url.session_attrs(), SessionAttrs::Any);
        assert_eq!(
            hosts(&url),
            ["a:1", "b:2", "c"].map(|host| format!(
                "postgres://joe:s3,cret@{host}/shop?sslmode=require&options=-c"
            ))
        );
        assert_eq!(url.to_string(), "postgres://joe:***@a:1,b:2,c/shop");
    }

    #[test]
    fn one_of_several_hosts_must_take_writes_unless_the_url_says_otherwise() {
        let attrs = |url: &str| url.parse::<DatabaseUrl>().map(|url| url.session_attrs());
        assert_eq!(attrs("postgres://db/shop"), Ok(SessionAttrs::Any));
        assert_eq!(attrs("postgres://a,b/shop"), Ok(SessionAttrs::ReadWrite));
        for (name, expected) in SessionAttrs::NAMES {
            assert_eq!(
                attrs(&format!("mysql://a,b/shop?target_session_attrs={name}")),
                Ok(expected)
            );
        }
        assert_eq!(attrs("postgres://a/shop?target_session_attrs=x"), Err(Error::Session));
        let reading: DatabaseUrl = "postgres://a,b/shop".parse().unwrap();
        assert_eq!(reading.for_replicas().session_attrs(), SessionAttrs::Any);
        let standby: DatabaseUrl = "mysql://a/b?target_session_attrs=standby".parse().unwrap();
        assert_eq!(standby.for_replicas().session_attrs(), SessionAttrs::Standby);
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
            "postgres://joe@a,b/shop?password=12&s3cret",
            "postgres://joe@a,/shop?target_session_attrs=s3cret",
            "mysql://joe:s3cret@a:1,b:x/shop",
            "mysql://joe:s3cret@a,,b/shop",
            "mysql://joe:s3cret@a,[::1]:3306/shop",
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
