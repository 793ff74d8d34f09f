//! The use cases of the marketplace, one function each.
//!
//! A function says in its documentation which relations it loads and with how many statements; nothing
//! is loaded behind the caller's back. Every task takes a pooled connection of its own, for one
//! statement or one transaction, and no connection is held while a caller makes up its mind.

pub mod customers;
pub mod database;
pub mod database_url;
pub mod error;
pub mod orders;
mod pages;
pub mod seed;
mod tasks;

pub use database::{Database, Settings};
pub use database_url::DatabaseUrl;
pub use error::{Error, Fault, Result};
pub use pages::PAGE;
