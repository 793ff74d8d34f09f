//! The marketplace over HTTP, and the command line of `marketsvc`.
//!
//! A handler takes typed input, calls one function of the service layer and shapes the answer.

mod api_key;
pub mod auth;
pub mod body;
pub mod cli;
mod clock;
mod conditional;
mod csv;
pub mod drain;
mod fields;
mod healthcheck;
mod id;
pub mod limits;
mod logging;
mod metrics;
mod openapi;
mod page;
mod problem;
mod request_id;
mod routes;
mod seed;
mod serve;
pub mod server;
mod streaming;
mod strict_json;
mod timestamp;
mod tls;
