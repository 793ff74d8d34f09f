//! Limits for connections, as arguments of `serve`.

use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::server::limits::seconds;

/// Number of connections by default, if there are enough file descriptors.
const DEFAULT_MAX: usize = 10_000;

/// Number of connections beyond the limit, which are for probes only.
pub(super) const SURPLUS: usize = 16;

/// Number of connections that may be accepted before others have ended.
const IN_TRANSIT: usize = 64;

/// Limits for connections.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct ConnectionArgs {
    /// Maximum number of connections of clients; beyond it those that wait longest for a request are closed. By
    /// default 10000, or as many as there are file descriptors
    #[arg(
        long,
        env = "MARKETSVC_MAX_HTTP_CONNECTIONS",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    max_http_connections: Option<u32>,
    /// Seconds within which a client must take a part of its answer; then the connection is closed
    #[arg(
        long,
        env = "MARKETSVC_WRITE_TIMEOUT",
        value_name = "SECONDS",
        default_value = "30",
        value_parser = seconds
    )]
    write_timeout: Duration,
    /// Seconds until a TLS handshake must be complete; then the connection is closed
    #[arg(
        long,
        env = "MARKETSVC_TLS_HANDSHAKE_TIMEOUT",
        value_name = "SECONDS",
        default_value = "5",
        value_parser = seconds
    )]
    tls_handshake_timeout: Duration,
    /// TLS handshakes per second, with bursts of one second's worth; the connections of further ones are closed. 0 is no limit
    #[arg(long, env = "MARKETSVC_TLS_HANDSHAKE_RATE", value_name = "N", default_value_t = 1000)]
    tls_handshake_rate: u32,
}

/// Limits for connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Maximum number of connections.
    pub max: usize,
    /// Time for the head of a request.
    pub head: Duration,
    /// Time in which a client must take a part of its answer.
    pub write: Duration,
    /// Time for a TLS handshake.
    pub handshake: Duration,
    /// TLS handshakes per second; 0 is no limit.
    pub handshake_rate: u32,
}

impl ConnectionLimits {
    /// Returns the number of connections that each worker may have accepted, those included that are being closed.
    pub fn per_worker(&self, workers: usize) -> usize {
        (self.max + SURPLUS + IN_TRANSIT).div_ceil(workers)
    }
}

impl ConnectionArgs {
    /// Raises the limit of file descriptors as far as needed and permitted, and returns the limits for connections.
    ///
    /// # Errors
    /// There are fewer file descriptors than the connections need.
    pub fn resolve(
        &self,
        head: Duration,
        workers: usize,
        database_connections: u32,
    ) -> Result<ConnectionLimits> {
        let reserve = reserve(workers, database_connections);
        let asked = self.max_http_connections.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
        let wanted = asked.unwrap_or(DEFAULT_MAX);
        let descriptors = raise_descriptor_limit(wanted.saturating_add(reserve));
        let most = descriptors.saturating_sub(reserve);
        ensure!(
            most >= asked.unwrap_or(1),
            "the limit of {descriptors} open files is too low: {} connections of clients and {reserve} \
             other files need {}",
            asked.unwrap_or(1),
            asked.unwrap_or(1).saturating_add(reserve)
        );
        Ok(ConnectionLimits {
            max: wanted.min(most),
            head,
            write: self.write_timeout,
            handshake: self.tls_handshake_timeout,
            handshake_rate: self.tls_handshake_rate,
        })
    }
}

/// Returns the number of file descriptors for everything but the connections of clients: the database (a connection of
/// SQLite has three files), the worker threads, the listeners and the log.
fn reserve(workers: usize, database_connections: u32) -> usize {
    let requests = usize::try_from(database_connections).unwrap_or(usize::MAX / 8);
    // With those for reports, probes and SQLite's writer and checkpoints.
    let database = 4 * (requests + requests / 4 + 4);
    32 + database + 4 * workers + SURPLUS + IN_TRANSIT
}

/// Raises the soft limit of file descriptors to `wanted`, or as far as the hard limit permits; returns the limit.
fn raise_descriptor_limit(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let number = |limit: Option<u64>| {
        limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
    };
    let (current, maximum) = (number(limit.current), number(limit.maximum));
    let raised = wanted.min(maximum);
    if raised <= current {
        return current;
    }
    let new = Rlimit { current: u64::try_from(raised).ok(), maximum: limit.maximum };
    match setrlimit(Resource::Nofile, new) {
        Ok(()) => raised,
        Err(error) => {
            log::warn!("cannot raise the limit of {current} open files: {error}");
            current
        }
    }
}
