//! The use cases of the marketplace, one function each.
//!
//! A function says in its documentation which relations it loads and with how many statements; nothing
//! is loaded behind the caller's back. Every task takes a pooled connection of its own, for one
//! statement or one transaction, and no connection is held while a caller makes up its mind.

pub mod api_keys;
pub mod customers;
mod database;
mod error;
pub mod export;
mod group_commit;
pub mod idempotency;
pub mod items;
mod keyset;
pub mod list;
pub mod orders;
mod pages;
mod pool;
pub mod reports;
pub mod seed;
mod statement;
mod tasks;
mod transaction;
pub mod tutorial;
pub mod version;

pub use database::{Database, Settings};
pub use error::{Error, Fault, Result};
pub use pool::{Load, Pool, PoolLoad};
