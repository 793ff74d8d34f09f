//! Responders: they shape what a service function returns.

pub mod csv;
pub mod etag;
pub mod held;
pub mod held_body;
pub mod page;
mod parts;
pub mod problem;
pub mod shed;
pub mod stream;
