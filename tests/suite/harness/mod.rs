//! What the tests stand on: databases, servers, a client.

pub mod app;
pub mod backend;
pub mod case;
pub mod client;
pub mod database;
mod guard;
mod mysql;
mod postgres;
pub mod proxy;
pub mod server;
