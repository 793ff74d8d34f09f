//! Connections of clients: bounded in number, each with a time limit for everything that it waits for.
//!
//! The framework limits the time of the first request's head only. Here every socket is wrapped in a [`GuardedStream`],
//! which records what the connection waits for; a task closes the connections that have waited too long. If there are too
//! many connections, those that have waited longest for a request are closed.

mod connection;
mod metrics;
mod pipeline;
mod registry;
mod settings;
mod stream;
mod tracked;

pub use connection::Connection;
pub use metrics::ConnectionMetrics;
pub use pipeline::{Tls, bind, listen};
pub use registry::Connections;
pub use settings::{ConnectionArgs, ConnectionLimits};
use stream::GuardedStream;
