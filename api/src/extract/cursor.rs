//! Cursors as clients see them: opaque text with a checksum.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use service::{pagination::Cursor, version::digest};

/// Length of the checksum, which tells a cursor from those of other lists and sort orders, and from typing errors. It
/// is no protection: a forged cursor only starts at another row.
const CHECKSUM_CHARS: usize = 12;

/// Encodes a cursor of the list and sort order that `context` names.
pub fn encode(cursor: &Cursor, context: &str) -> String {
    let json = serde_json::to_vec(cursor).unwrap_or_default();
    checksum(context, &json) + &URL_SAFE_NO_PAD.encode(json)
}

/// Decodes a cursor; returns `None` for other text, and for a cursor of another context.
pub fn decode(text: &str, context: &str) -> Option<Cursor> {
    let (given, encoded) = text.split_at_checked(CHECKSUM_CHARS)?;
    let json = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    if given != checksum(context, &json) {
        return None;
    }
    serde_json::from_slice(&json).ok()
}

fn checksum(context: &str, json: &[u8]) -> String {
    digest(&[context.as_bytes(), json].concat()).chars().take(CHECKSUM_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use service::pagination::SortValue;

    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_no_other_text_is_one() {
        let cursor = Cursor { key: SortValue::Text("Zoë".to_owned()), id: 7 };
        let text = encode(&cursor, "-name");
        assert_eq!(decode(&text, "-name").unwrap(), cursor);
        assert!(decode(&text, "name").is_none());
        for n in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[n] = if bytes[n] == b'A' { b'B' } else { b'A' };
            assert!(decode(&String::from_utf8(bytes).unwrap(), "-name").is_none(), "{n}");
            assert!(decode(&text[..n], "-name").is_none(), "{n}");
        }
        assert!(decode("é".repeat(40).as_str(), "id").is_none());
    }
}

#[cfg(test)]
mod properties {
    use chrono::DateTime;
    use proptest::{prelude::*, sample::Index};
    use service::pagination::SortValue;

    use super::*;

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
        fn every_cursor_is_read_back(cursor in cursors(), context: String) {
            prop_assert_eq!(decode(&encode(&cursor, &context), &context).unwrap(), cursor);
        }

        #[test]
        fn a_cursor_with_a_changed_character_is_refused(
            cursor in cursors(),
            at: Index,
            other in prop_oneof!["[A-Za-z0-9_-]", "(?s)."],
        ) {
            let mut text = encode(&cursor, CONTEXT);
            let at = at.index(text.len());
            prop_assume!(text[at..=at] != other);
            text.replace_range(at..=at, &other);
            prop_assert!(decode(&text, CONTEXT).is_none());
        }

        #[test]
        fn any_other_text_is_refused(text in prop_oneof!["(?s).*", "[A-Za-z0-9_-]{0,80}"]) {
            prop_assert!(decode(&text, CONTEXT).is_none());
        }
    }
}
