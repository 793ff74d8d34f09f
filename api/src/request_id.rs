//! The name of a request, which ties an answer to what the log says of it.

use std::fmt;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use uuid::Uuid;

/// The header that carries it both ways.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// 1 to 64 letters, digits, `-`, `_` or `.`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The caller's, if it is one, or a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok());
        let id = given.filter(|id| is_sane(id)).map(str::to_owned);
        Self(id.unwrap_or_else(|| Uuid::new_v4().simple().to_string()))
    }

    /// As the value of [`HEADER`].
    pub fn to_header(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        HeaderValue::from_str(&self.0)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_sane(id: &str) -> bool {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(sane)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_to(given: &str) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(given).unwrap());
        RequestId::of(&headers)
    }

    #[test]
    fn a_callers_id_is_kept_if_a_log_can_bear_it() {
        assert_eq!(answer_to("build-7_b.2").as_str(), "build-7_b.2");
        for odd in ["", "two words", "a\"b", "x".repeat(65).as_str()] {
            assert_ne!(answer_to(odd).as_str(), odd);
            assert!(is_sane(answer_to(odd).as_str()));
        }
    }
}
