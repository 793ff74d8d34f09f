//! Errors in the fields of a request body, all of them at once, each with its JSON pointer.

use std::ops::ControlFlow;

use deserr::{DeserializeError, ErrorKind, IntoValue, MergeWithError, ValueKind, ValuePointerRef};
use service::domain::InvalidLines;

use crate::respond::problem::{FieldError, QUOTED, shorten};

/// Number of errors after which further ones are only counted, so that the answer to a large invalid body stays short.
pub const MAX_ERRORS: usize = 100;

/// Errors in the fields of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors {
    /// The first [`MAX_ERRORS`] of them, in document order.
    pub listed: Vec<FieldError>,
    /// Number of further ones.
    pub omitted: usize,
}

impl FieldErrors {
    /// Creates an error at `location`.
    pub fn at(location: ValuePointerRef<'_>, detail: impl Into<String>) -> Self {
        Self { listed: vec![FieldError::new(pointer(location), detail)], omitted: 0 }
    }

    fn append(earlier: Option<Self>, later: Self) -> ControlFlow<Self, Self> {
        let mut errors = earlier.unwrap_or_default();
        errors.listed.extend(later.listed);
        let more = errors.listed.len().saturating_sub(MAX_ERRORS);
        errors.omitted += later.omitted + more;
        errors.listed.truncate(MAX_ERRORS);
        ControlFlow::Continue(errors)
    }
}

/// Returns the JSON pointer (RFC 6901) of a location.
fn pointer(location: ValuePointerRef<'_>) -> String {
    match location {
        ValuePointerRef::Origin => String::new(),
        ValuePointerRef::Key { key, prev } => {
            format!("{}/{}", pointer(*prev), key.replace('~', "~0").replace('/', "~1"))
        }
        ValuePointerRef::Index { index, prev } => format!("{}/{index}", pointer(*prev)),
    }
}

impl DeserializeError for FieldErrors {
    fn error<V: IntoValue>(
        earlier: Option<Self>,
        error: ErrorKind<'_, V>,
        location: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let later = match error {
            ErrorKind::IncorrectValueKind { accepted, .. } => {
                Self::at(location, format!("must be {}", alternatives(accepted)))
            }
            ErrorKind::MissingField { field } => Self::at(location.push_key(field), "is missing"),
            ErrorKind::UnknownKey { key, .. } => Self::at(
                location.push_key(key),
                format!("unknown field {:?}", shorten(key, QUOTED)),
            ),
            ErrorKind::UnknownValue { accepted, .. } => {
                Self::at(location, format!("must be one of {}", accepted.join(", ")))
            }
            ErrorKind::BadSequenceLen { expected, .. } => {
                Self::at(location, format!("must have {expected} entries"))
            }
            ErrorKind::Unexpected { msg } => Self::at(location, msg),
        };
        Self::append(earlier, later)
    }
}

impl MergeWithError<FieldErrors> for FieldErrors {
    fn merge(
        earlier: Option<Self>,
        later: Self,
        _: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        Self::append(earlier, later)
    }
}

/// Places each repeated item at its line.
impl MergeWithError<InvalidLines> for FieldErrors {
    fn merge(
        earlier: Option<Self>,
        later: InvalidLines,
        location: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let later = match later {
            InvalidLines::Count => Self::at(location, later.to_string()),
            InvalidLines::Repeated(items) => {
                let error = |line: usize, detail| {
                    FieldError::new(format!("{}/{line}/id", pointer(location)), detail)
                };
                let listed = items.iter().map(|item| error(item.line, item.to_string())).collect();
                Self { listed, omitted: 0 }
            }
        };
        Self::append(earlier, later)
    }
}

fn alternatives(kinds: &[ValueKind]) -> String {
    let name = |kind: &ValueKind| match kind {
        ValueKind::Null => "null",
        ValueKind::Boolean => "true or false",
        ValueKind::Integer | ValueKind::NegativeInteger => "a whole number",
        ValueKind::Float => "a number",
        ValueKind::String => "a string",
        ValueKind::Sequence => "an array",
        ValueKind::Map => "an object",
    };
    let mut names: Vec<_> = kinds.iter().map(name).collect();
    names.dedup();
    names.join(" or ")
}
