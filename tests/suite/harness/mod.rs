//! Test infrastructure: databases, server processes and an HTTP client.

pub mod app;
pub mod backend;
pub mod bulk_load;
pub mod case;
pub mod client;
pub mod database;
pub mod echo;
pub mod group;
pub mod guard;
mod mysql;
pub mod openapi;
mod postgres;
pub mod proxy;
pub mod server;
