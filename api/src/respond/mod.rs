//! Responders: they shape what a service function returns.

pub mod csv;
pub mod etag;
pub mod page;
mod parts;
pub mod problem;
pub mod stream;
