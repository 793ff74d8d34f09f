//! `marketsvc api-key`

use std::io::{self, Write};

use anyhow::{Result, bail};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use service::{
    Database,
    api_keys::{self, ApiKey, NewKey, Role},
    domain::{InvalidValue, Name},
};

use super::database::DatabaseArgs;
use crate::server::clock;

/// Operation on API keys.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create an API key and print it, this once
    Create {
        /// Role: a reader reads, a writer also places orders, an admin changes everything
        #[arg(long, value_parser = role())]
        role: Role,
        /// Name of the holder or the purpose
        #[arg(long, value_parser = name)]
        name: Name,
        /// Days until the API key expires
        #[arg(
            long,
            value_name = "DAYS",
            default_value_t = 365,
            value_parser = clap::value_parser!(u16).range(1..=36500)
        )]
        expires_in_days: u16,
        /// Create an API key that does not expire
        #[arg(long, conflicts_with = "expires_in_days")]
        no_expiry: bool,
    },
    /// List all API keys, without their secrets
    List,
    /// Revoke an API key: it is refused from the next request on
    Revoke {
        /// Id of the API key, as in the list
        id: String,
    },
}

/// Runs the command and prints the result.
pub async fn run(database: &DatabaseArgs, command: Command) -> Result<()> {
    let db = database.open().await?;
    let report = match command {
        Command::Create { role, name, expires_in_days, no_expiry } => {
            create(&db, role, name, (!no_expiry).then_some(expires_in_days)).await?
        }
        Command::List => list(&db).await?,
        Command::Revoke { id } => revoke(&db, id).await?,
    };
    db.close().await?;
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}

async fn create(db: &Database, role: Role, name: Name, days: Option<u16>) -> Result<String> {
    let now = clock::now();
    let expires_at = days.map(|days| now + TimeDelta::days(days.into()));
    let key = api_keys::create(db, NewKey { name, role, expires_at }, now).await?;
    // On standard error, so that a script reads nothing but the API key from standard output.
    let _ = writeln!(
        io::stderr(),
        "The API key is shown once and cannot be shown again. It expires: {}. To revoke it: marketsvc api-key \
         revoke {}",
        to_the_second(expires_at.map(|time| time.naive_utc()), "never"),
        key.id()
    );
    Ok(key.expose())
}

async fn list(db: &Database) -> Result<String> {
    let now = clock::now();
    let keys = api_keys::list(db.primary_reader()).await?;
    let title = row(["id", "role", "state", "created", "expires", "last used", "name"]);
    let rows = keys.iter().map(|key| {
        let created = to_the_second(Some(key.created_at), "");
        let expires = to_the_second(key.expires_at, "never");
        let used = to_the_second(key.last_used_at, "-");
        row([&key.id, key.role.as_str(), state(key, now), &created, &expires, &used, &key.name])
    });
    Ok(std::iter::once(title).chain(rows).collect::<Vec<_>>().join("\n"))
}

async fn revoke(db: &Database, id: String) -> Result<String> {
    // The argument is not repeated: it may be a whole API key with its secret.
    if !api_keys::is_id(&id) {
        bail!("an id is eight letters and digits, as `marketsvc api-key list` shows them");
    }
    api_keys::revoke(db, id.clone(), clock::now()).await?;
    Ok(format!("revoked {id}"))
}

fn row([id, role, state, created, expires, used, name]: [&str; 7]) -> String {
    format!("{id:<8}  {role:<6}  {state:<7}  {created:<20}  {expires:<20}  {used:<20}  {name}")
}

fn state(key: &ApiKey, now: DateTime<Utc>) -> &'static str {
    if key.revoked_at.is_some() {
        "revoked"
    } else if key.expires_at.is_some_and(|expiry| expiry <= now.naive_utc()) {
        "expired"
    } else {
        "good"
    }
}

fn to_the_second(time: Option<NaiveDateTime>, otherwise: &str) -> String {
    time.map_or_else(|| otherwise.to_owned(), |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn role() -> impl TypedValueParser<Value = Role> {
    let parse = |name: String| {
        let role = Role::ALL.into_iter().find(|role| role.as_str() == name);
        role.ok_or("unknown role")
    };
    PossibleValuesParser::new(Role::ALL.map(Role::as_str)).try_map(parse)
}

fn name(text: &str) -> Result<Name, InvalidValue> {
    Name::try_from(text.to_owned())
}
