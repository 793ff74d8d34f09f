//! Errors in the fields of a request body, all of them at once, each with its JSON pointer.

use std::ops::ControlFlow;

use deserr::{DeserializeError, ErrorKind, IntoValue, MergeWithError, ValueKind, ValuePointerRef};
use service::domain::InvalidLines;

use crate::respond::problem::FieldError;

/// Number of errors after which reading stops, so that the answer to a large invalid body stays short.
pub const MAX_ERRORS: usize = 1000;

/// Errors in the fields of a body, in document order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    /// Creates an error at `location`.
    pub fn at(location: ValuePointerRef<'_>, detail: impl Into<String>) -> Self {
        Self(vec![FieldError::new(pointer(location), detail)])
    }

    fn append(earlier: Option<Self>, later: Self) -> ControlFlow<Self, Self> {
        let mut errors = earlier.unwrap_or_default();
        errors.0.extend(later.0);
        if errors.0.len() < MAX_ERRORS {
            ControlFlow::Continue(errors)
        } else {
            errors.0.truncate(MAX_ERRORS);
            ControlFlow::Break(errors)
        }
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
            ErrorKind::UnknownKey { key, .. } => {
                Self::at(location.push_key(key), format!("unknown field {key:?}"))
            }
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
                Self(items.iter().map(|item| error(item.line, item.to_string())).collect())
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
