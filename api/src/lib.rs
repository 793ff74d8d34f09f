//! The marketplace over HTTP, and the command line of `marketsvc`.
//!
//! A handler takes typed input, calls one function of the service layer and shapes the answer.

pub mod cli;
mod clock;
mod id;
mod json_array;
mod problem;
mod request_id;
mod routes;
mod seed;
mod serve;
pub mod server;
mod timestamp;
