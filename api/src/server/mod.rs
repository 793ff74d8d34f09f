//! HTTP server, and the state that lives as long as it.

pub mod application;
mod background;
pub mod clock;
pub mod connections;
pub mod drain;
pub mod limits;
pub mod logging;
pub mod metrics;
pub mod readiness;
mod state;
pub mod tls;
