//! Arguments that decide whether requests need an API key.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use service::{Database, api_keys};

use super::boolean::StrictBoolean;
use crate::{
    middleware::{
        authentication::Authentication,
        host::{AllowedHosts, HostName},
    },
    server::clock,
};

/// When requests need an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// If the server listens at an address that other machines can reach
    Auto,
    /// Always
    Required,
    /// Never
    Off,
}

/// Arguments that decide whether requests need an API key.
#[derive(Debug, clap::Args)]
pub struct AuthenticationArgs {
    /// When requests need an API key
    #[arg(long, env = "MARKETSVC_AUTH", value_name = "WHEN", default_value = "auto")]
    auth: When,
    /// Serve without authentication even at an address that is not a loopback address
    #[arg(
        long,
        env = "MARKETSVC_INSECURE_NO_AUTH",
        value_parser = StrictBoolean
    )]
    insecure_no_auth: bool,
    /// Without authentication: name or address that clients may use for the server, in addition to localhost and
    /// loopback addresses; further ones after a comma
    #[arg(
        long = "allowed-host",
        env = "MARKETSVC_ALLOWED_HOST",
        value_name = "NAME",
        value_delimiter = ','
    )]
    allowed_hosts: Vec<HostName>,
}

impl AuthenticationArgs {
    /// Resolves the arguments for a server that listens at `listen`.
    ///
    /// # Errors
    /// If other machines could use the API without an API key, and `--insecure-no-auth` is not given.
    pub fn resolve(&self, listen: &str) -> Result<Authentication> {
        let addresses = || {
            let addresses = listen.to_socket_addrs();
            addresses.with_context(|| format!("cannot listen at {listen}"))
        };
        match self.auth {
            When::Required => Ok(Authentication::Required),
            _ if self.insecure_no_auth || addresses()?.all(is_loopback) => Ok(Authentication::Off),
            When::Auto => Ok(Authentication::Required),
            When::Off => bail!(
                "{listen} is not a loopback address: without authentication every client that reaches it \
                 could read and change everything. Leave out `--auth off`, or add `--insecure-no-auth` if \
                 a proxy or firewall restricts access to it"
            ),
        }
    }

    /// Returns the names that clients may use for a server without authentication.
    pub fn allowed_hosts(&self) -> AllowedHosts {
        AllowedHosts::new(self.allowed_hosts.clone())
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Returns the warning that the operator should see when the server starts. One statement at most.
pub async fn warning(
    authentication: Authentication,
    db: &Database,
) -> service::Result<Option<&'static str>> {
    Ok(match authentication {
        Authentication::Off => Some(
            "authentication is off: every client that reaches this server can read and change everything",
        ),
        Authentication::Required
            if api_keys::exists_active(db.primary_reader(), clock::now()).await? =>
        {
            None
        }
        Authentication::Required => Some(
            "there is no active API key, so every request will be refused: run `marketsvc api-key create \
             --role admin --name NAME`",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authentication_is_off_only_on_loopback_addresses_or_with_the_insecure_flag() {
        use Authentication::{Off, Required};
        let loopback = ["127.0.0.1:1", "127.9.9.9:0", "[::1]:1", "[::ffff:127.0.0.1]:1"];
        let other = ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1"];
        for (auth, insecure_no_auth, on_loopback, elsewhere) in [
            (When::Auto, false, Off, Some(Required)),
            (When::Auto, true, Off, Some(Off)),
            (When::Off, false, Off, None),
            (When::Off, true, Off, Some(Off)),
            (When::Required, false, Required, Some(Required)),
            (When::Required, true, Required, Some(Required)),
        ] {
            let args = AuthenticationArgs { auth, insecure_no_auth, allowed_hosts: vec![] };
            for listen in loopback {
                assert_eq!(args.resolve(listen).unwrap(), on_loopback, "{listen} {args:?}");
            }
            for listen in other {
                assert_eq!(args.resolve(listen).ok(), elsewhere, "{listen} {args:?}");
            }
        }
    }
}
