//! What a resource looks like, in few letters, so that an edit can say what it is an edit of.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// The version of a resource: equal for equal content. Fit to be a strong entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// Of a resource, by its content.
    pub fn of(resource: &impl Serialize) -> Self {
        Self::of_json(&serde_json::to_vec(resource).unwrap_or_default())
    }

    /// Of a resource that was serialised already.
    #[must_use]
    pub fn of_json(json: &[u8]) -> Self {
        Self(digest(json))
    }

    /// Letters, digits, `-` and `_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 in base64url: 43 characters.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}

/// What must hold of a resource for a change to take place.
#[derive(Clone, Debug, Default)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// It is one of these versions.
    OneOf(Vec<String>),
}

impl Precondition {
    /// Compares within the transaction that makes the change: of two edits of one version one fails.
    pub(crate) fn check(&self, current: &impl Serialize) -> Result<()> {
        match self {
            Self::OneOf(versions) if !versions.contains(&Version::of(current).0) => {
                Err(Error::PreconditionFailed)
            }
            _ => Ok(()),
        }
    }
}
