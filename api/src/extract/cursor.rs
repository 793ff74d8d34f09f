//! Cursors as clients see them: opaque text with a signature.

use actix_web::{HttpRequest, web::Data};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use service::{pagination::Cursor, secrets::Secret};

use crate::respond::problem::Problem;

/// Signer of cursors: a cursor holds only in the list and sort order that it was made for, and a client cannot make
/// one, so that no client chooses the values that are bound to a statement.
#[derive(Clone, Debug)]
pub struct CursorSigner(Data<Secret>);

impl CursorSigner {
    /// Returns the signer of the server that received the request.
    pub fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let secret = request.app_data::<Data<Secret>>().cloned();
        secret.map(Self).ok_or_else(|| Problem::internal("the server has no secret for cursors"))
    }

    /// Encodes a cursor of the list and sort order that `context` names.
    pub fn encode(&self, cursor: &Cursor, context: &str) -> String {
        let json = serde_json::to_vec(cursor).unwrap_or_default();
        let signature = self.0.sign(context, &json);
        URL_SAFE_NO_PAD.encode([&signature[..], &json].concat())
    }

    /// Decodes a cursor; returns `None` for other text, and for a cursor of another context.
    pub fn decode(&self, text: &str, context: &str) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signature, json) = bytes.split_first_chunk()?;
        self.0.verifies(context, json, signature).then(|| serde_json::from_slice(json).ok())?
    }
}

#[cfg(test)]
pub mod tests {
    use service::{pagination::SortValue, version::digest};

    use super::*;

    pub fn signer(secret: &str) -> CursorSigner {
        CursorSigner(Data::new(Secret::new(secret)))
    }

    #[test]
    fn a_cursor_is_read_back_and_no_other_text_is_one() {
        let signer = signer("secret");
        let cursor = Cursor { key: SortValue::Text("Zoë".to_owned()), id: 7 };
        let text = signer.encode(&cursor, "-name");
        assert_eq!(signer.decode(&text, "-name").unwrap(), cursor);
        assert!(signer.decode(&text, "name").is_none());
        for n in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[n] = if bytes[n] == b'A' { b'B' } else { b'A' };
            assert!(signer.decode(&String::from_utf8(bytes).unwrap(), "-name").is_none(), "{n}");
            assert!(signer.decode(&text[..n], "-name").is_none(), "{n}");
        }
        assert!(signer.decode("é".repeat(40).as_str(), "id").is_none());
    }

    #[test]
    fn a_cursor_is_signed_with_the_secret() {
        let cursor = Cursor { key: SortValue::Number(1), id: 1 };
        let text = signer("secret").encode(&cursor, "id");
        assert!(signer("another").decode(&text, "id").is_none());
        let json = serde_json::to_vec(&cursor).unwrap();
        for forged in [[0; 16].as_slice(), &digest(&json).as_bytes()[..16]] {
            let text = URL_SAFE_NO_PAD.encode([forged, &json].concat());
            assert!(signer("secret").decode(&text, "id").is_none());
        }
    }
}

#[cfg(test)]
mod properties {
    use chrono::DateTime;
    use proptest::{prelude::*, sample::Index};
    use service::pagination::SortValue;

    use super::{tests::signer, *};

    const CONTEXT: &str = "/api/v1/items -name ";

    fn cursors() -> impl Strategy<Value = Cursor> {
        let years = -62_135_596_800_000_000..253_402_300_800_000_000_i64;
        let time = |micros| DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
        let keys = prop_oneof![
            any::<i64>().prop_map(SortValue::Number),
            "(?s).{0,200}".prop_map(SortValue::Text),
            years.prop_map(move |micros| SortValue::Time(time(micros))),
        ];
        (keys, any::<i64>()).prop_map(|(key, id)| Cursor { key, id })
    }

    proptest! {
        #[test]
        fn every_cursor_is_read_back(cursor in cursors(), context: String, secret: String) {
            let signer = signer(&secret);
            let text = signer.encode(&cursor, &context);
            prop_assert_eq!(signer.decode(&text, &context).unwrap(), cursor);
        }

        #[test]
        fn a_cursor_with_a_changed_character_is_refused(
            cursor in cursors(),
            at: Index,
            other in prop_oneof!["[A-Za-z0-9_-]", "(?s)."],
        ) {
            let mut text = signer("").encode(&cursor, CONTEXT);
            let at = at.index(text.len());
            prop_assume!(text[at..=at] != other);
            text.replace_range(at..=at, &other);
            prop_assert!(signer("").decode(&text, CONTEXT).is_none());
        }

        #[test]
        fn any_other_text_is_refused(text in prop_oneof!["(?s).*", "[A-Za-z0-9_-]{0,80}"]) {
            prop_assert!(signer("").decode(&text, CONTEXT).is_none());
        }
    }
}
