//! Content-hash versions for optimistic concurrency control.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// Version of a resource: a digest of its content, fit to be a strong entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// Returns the version of a resource.
    pub fn of(resource: &impl Serialize) -> Result<Self> {
        Ok(Self::of_json(&serde_json::to_vec(resource)?))
    }

    /// Returns the version of a resource that is serialised already.
    #[must_use]
    pub fn of_json(json: &[u8]) -> Self {
        Self(digest(json))
    }

    /// Returns the version as letters, digits, `-` and `_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the SHA-256 digest in base64url: 43 characters.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}

/// Condition under which a change is made.
#[derive(Clone, Debug, Default)]
pub enum Precondition {
    /// No condition.
    #[default]
    None,
    /// The resource has one of these versions.
    OneOf(Vec<String>),
}

impl Precondition {
    /// Compares within the transaction that makes the change, so that of two edits of one version one fails.
    pub(crate) fn check(&self, current: &impl Serialize) -> Result<()> {
        match self {
            Self::OneOf(versions) if !versions.contains(&Version::of(current)?.0) => {
                Err(Error::PreconditionFailed)
            }
            _ => Ok(()),
        }
    }
}
