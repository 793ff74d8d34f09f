//! Middleware, and the state that it shares with the server.

pub mod authentication;
pub mod budgets;
pub mod client_address;
pub mod framework;
pub mod host;
pub mod limits;
pub mod metrics;
pub mod query_parameters;
pub mod refusals;
pub mod request_id;
pub mod shedding;
