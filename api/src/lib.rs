//! HTTP API and command line of `marketsvc`.
//!
//! A handler takes typed input from extractors, calls one function of the service layer, and shapes the answer with a
//! responder.

mod commands;
mod extract;
mod middleware;
mod openapi;
mod respond;
mod routes;
mod server;

pub use commands::main;
