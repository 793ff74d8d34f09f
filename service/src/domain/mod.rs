//! Domain values with their invariants: parsed once, and valid from then on.
//!
//! The functions of this crate accept nothing else, so a caller that is not the HTTP API (a job, a test, an example)
//! cannot store an invalid name or quantity either. Each type describes itself for OpenAPI with its own limits.

mod numbers;
mod order_lines;
mod schema;
mod text;
mod time;

use std::borrow::Cow;

pub use numbers::{AddressNumber, Price, Quantity};
pub use order_lines::{InvalidLines, MAX_LINES, OrderLine, OrderLines, RepeatedItem};
pub use schema::MoneySchema;
pub use text::{Description, Name, NamePrefix};
pub use time::{FIRST_TIME, LAST_TIME, is_storable};

/// Reason why a value is not valid, phrased to follow the name of the field: "must not be empty".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(Cow<'static, str>);

impl InvalidValue {
    fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }
}
