//! Use cases of the marketplace: one function each, on any of the three databases.
//!
//! The documentation of a function names the relations that it loads and its number of statements; nothing else is
//! loaded. Every task takes a pooled connection of its own, for one statement or one transaction, and no connection
//! is held between the pages of a stream.

pub mod api_keys;
mod bulk_load;
mod copy;
pub mod customers;
mod database;
pub mod domain;
mod error;
pub mod idempotency;
pub mod items;
pub mod orders;
pub mod pagination;
pub mod reports;
pub mod secrets;
pub mod seed;
#[cfg(test)]
mod testing;
pub mod version;

pub use bulk_load::{Progress, unfinished_load};
pub use copy::{CopiedTable, copy};
pub use database::{Database, DatabaseStats, Pool, PoolStats, Settings, silently};
pub use error::{Error, Result, Violation};
