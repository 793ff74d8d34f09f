//! Limits for requests, as arguments of `serve`.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use chrono::TimeDelta;
use clap::builder::RangedU64ValueParser;
use service::{
    orders::MAX_TOTALS,
    pagination::{MAX_PAGE_SIZE, MIN_PAGE_BYTES},
};

use crate::respond::problem::Problem;

/// Limits for requests, with defaults that suit a small machine.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Maximum size of a request body in bytes; a larger one is answered with 413
    #[arg(long, env = "MARKETSVC_MAX_BODY_BYTES", value_name = "N", default_value_t = 256 * 1024)]
    pub max_body_bytes: usize,
    /// Seconds until the head of a request must have arrived; then the connection is closed with 408
    #[arg(
        long,
        env = "MARKETSVC_HEADER_TIMEOUT",
        value_name = "SECONDS",
        default_value = "10",
        value_parser = seconds
    )]
    pub header_timeout: Duration,
    /// Seconds until the body of a request must have arrived; then the answer is 408
    #[arg(
        long,
        env = "MARKETSVC_BODY_TIMEOUT",
        value_name = "SECONDS",
        default_value = "30",
        value_parser = seconds
    )]
    pub body_timeout: Duration,
    /// Seconds until the answer must begin; then it is 503
    #[arg(
        long,
        env = "MARKETSVC_REQUEST_TIMEOUT",
        value_name = "SECONDS",
        default_value = "60",
        value_parser = seconds
    )]
    pub request_timeout: Duration,
    /// Maximum number of requests that have arrived and whose answer has not begun; further ones are answered with 503
    #[arg(
        long,
        env = "MARKETSVC_MAX_CONCURRENT_REQUESTS",
        value_name = "N",
        default_value_t = 1024
    )]
    pub max_concurrent_requests: usize,
    /// Maximum number of reports, exports and other answers of more than one page that are made or sent at the same
    /// time; further ones are answered with 503
    #[arg(long, env = "MARKETSVC_MAX_EXPENSIVE_REQUESTS", value_name = "N", default_value_t = 16)]
    pub max_expensive_requests: usize,
    /// Maximum memory in bytes for bodies that have not arrived completely; further parts are answered with 503
    #[arg(
        long,
        env = "MARKETSVC_MAX_PENDING_BODY_BYTES",
        value_name = "N",
        default_value_t = 64 * 1024 * 1024
    )]
    pub max_pending_body_bytes: usize,
    /// Maximum memory of long answers that have not been sent completely, in bytes; further ones are 503
    #[arg(
        long,
        env = "MARKETSVC_MAX_PENDING_ANSWER_BYTES",
        value_name = "N",
        default_value_t = 64 * 1024 * 1024
    )]
    pub max_pending_answer_bytes: usize,
    /// Percentage of each of these four maxima for one API key, or for one address without an API key
    #[arg(
        long,
        env = "MARKETSVC_CLIENT_SHARE",
        value_name = "PERCENT",
        default_value_t = 25,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100)
    )]
    pub client_share: usize,
    /// Requests per second from one address, with bursts of two seconds' worth; further ones are answered with 429. 0 is no limit
    #[arg(long, env = "MARKETSVC_RATE_PER_ADDRESS", value_name = "N", default_value_t = 0)]
    pub rate_per_address: u32,
    /// Requests per second with one API key, likewise
    #[arg(long, env = "MARKETSVC_RATE_PER_KEY", value_name = "N", default_value_t = 1000)]
    pub rate_per_key: u32,
    /// Answers 401 and 403 per second to one address, likewise; 0 is no limit
    #[arg(long, env = "MARKETSVC_RATE_OF_REFUSALS", value_name = "N", default_value_t = 100)]
    pub rate_of_refusals: u32,
    /// Maximum number of rows of a page
    #[arg(
        long,
        env = "MARKETSVC_MAX_PAGE_SIZE",
        value_name = "N",
        default_value_t = MAX_PAGE_SIZE,
        value_parser = clap::value_parser!(u64).range(1..=MAX_PAGE_SIZE)
    )]
    pub max_page_size: u64,
    /// Maximum size of the rows of a page in bytes, apart from escape sequences in JSON; a page of larger rows ends earlier
    #[arg(
        long,
        env = "MARKETSVC_MAX_PAGE_BYTES",
        value_name = "N",
        default_value_t = 4 * 1024 * 1024,
        value_parser = RangedU64ValueParser::<usize>::new().range(MIN_PAGE_BYTES as u64..=1 << 30)
    )]
    pub max_page_bytes: usize,
    /// Maximum number of orders whose totals one request may ask for
    #[arg(
        long,
        env = "MARKETSVC_MAX_IDS",
        value_name = "N",
        default_value_t = MAX_TOTALS,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=service::orders::MAX_TOTALS as u64)
    )]
    pub max_ids: usize,
    /// Maximum number of rows of a streamed list; a longer one is cut off
    #[arg(long, env = "MARKETSVC_MAX_STREAM_ROWS", value_name = "N", default_value_t = 10_000_000)]
    pub max_stream_rows: usize,
    /// Seconds for which an Idempotency-Key is remembered
    #[arg(
        long,
        env = "MARKETSVC_IDEMPOTENCY_TTL",
        value_name = "SECONDS",
        default_value_t = 24 * 60 * 60,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    idempotency_ttl: u32,
}

impl Limits {
    /// Returns the time for which an `Idempotency-Key` is remembered.
    #[must_use]
    pub fn key_time_to_live(&self) -> TimeDelta {
        TimeDelta::seconds(self.idempotency_ttl.into())
    }

    /// Returns the limits of the server that received the request.
    pub fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let limits = request.app_data::<Data<Self>>().map(|limits| *limits.as_ref());
        limits.ok_or_else(|| Problem::internal("the server has no limits"))
    }
}

impl FromRequest for Limits {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// Parses a time limit.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("must be a whole number of seconds from 1 to 86400".to_owned()),
    }
}
