//! API keys as text: `mk_ID_SECRET`.

use std::{borrow::Cow, fmt};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::{TryRng as _, rngs::SysRng};

use crate::{Result, version::digest};

const PREFIX: &str = "mk_";

/// Length of an id: 40 random bits.
const ID_LENGTH: usize = 8;

/// Length of a secret: 32 bytes in base64url.
const SECRET_LENGTH: usize = 43;

/// Whole API key. Only [`Key::expose`] prints its secret.
#[derive(Clone)]
pub struct Key {
    id: String,
    secret: String,
}

impl Key {
    /// Generates a key from the operating system's source of randomness.
    pub(super) fn random() -> Result<Self> {
        let mut id = [0; ID_LENGTH];
        SysRng.try_fill_bytes(&mut id)?;
        let mut secret = [0; 32];
        SysRng.try_fill_bytes(&mut secret)?;
        let letter = |byte: u8| char::from_digit(u32::from(byte % 32), 32);
        let id = id.into_iter().filter_map(letter).collect();
        Ok(Self { id, secret: BASE64_URL_SAFE_NO_PAD.encode(secret) })
    }

    /// Parses a key; `None` if the text does not have its form.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_secret = secret.len() == SECRET_LENGTH && secret.chars().all(is_base64url);
        (is_id(id) && is_secret).then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// Returns the public part.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the whole key, for its owner.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret)
    }

    /// Returns the digest of the secret's text; its bytes can be written in more than one way.
    pub(super) fn hash(&self) -> String {
        digest(self.secret.as_bytes())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_***", self.id)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Masks the secrets of all API keys in `text`.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut parts = text.split(PREFIX);
    let mut clean = Cow::Borrowed(parts.next().unwrap_or_default());
    for part in parts {
        clean += PREFIX;
        match part.split_once('_') {
            Some((id, rest)) if is_id(id) => {
                clean += id;
                clean += "_***";
                clean += rest.trim_start_matches(is_base64url);
            }
            _ => clean += part,
        }
    }
    clean
}

fn is_base64url(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'
}

/// Returns whether `text` has the form of a key's id.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v'))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_key_is_parsed_as_it_was_written() {
        let key = Key::random().unwrap();
        let read = Key::parse(&key.expose()).unwrap();
        assert_eq!((read.id, read.secret), (key.id, key.secret));
    }

    #[test]
    fn keys_have_the_documented_form_and_differ() {
        let keys: HashSet<_> = (0..1000).map(|_| Key::random().unwrap().expose()).collect();
        assert_eq!(keys.len(), 1000);
        for key in keys {
            assert_eq!(key.len(), 3 + 8 + 1 + 43, "{key}");
            assert!(key.starts_with("mk_") && is_id(&key[3..11]), "{key}");
        }
    }

    #[test]
    fn text_of_another_form_is_not_a_key() {
        let secret = "a".repeat(SECRET_LENGTH);
        assert!(Key::parse(&format!("mk_01234abv_{secret}")).is_some());
        for text in [
            String::new(),
            "mk_".to_owned(),
            "mk__".to_owned(),
            "mk_01234abv".to_owned(),
            "mk_01234abv_".to_owned(),
            format!("01234abv_{secret}"),
            format!("MK_01234abv_{secret}"),
            format!("mk_01234ab_{secret}"),
            format!("mk_01234abvv_{secret}"),
            format!("mk_01234ABV_{secret}"),
            format!("mk_01234abw_{secret}"),
            format!("mk_01234abv_{secret}a"),
            format!("mk_01234abv_{}", "a".repeat(SECRET_LENGTH - 1)),
            format!("mk_01234abv_{}+", "a".repeat(SECRET_LENGTH - 1)),
            format!("mk_01234abv_{}é", "a".repeat(SECRET_LENGTH - 2)),
            format!(" mk_01234abv_{secret}"),
            format!("mk_01234abv_{secret} "),
        ] {
            assert!(Key::parse(&text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let key = Key::random().unwrap();
        let printed = format!("{key} {key:?} {key:#?}");
        assert!(printed.contains(&key.id) && !printed.contains(&key.secret), "{printed}");
    }

    #[test]
    fn secrets_are_masked_in_text() {
        let (one, two) = (Key::random().unwrap(), Key::random().unwrap());
        let line = format!("GET /?key={}&mk_x&other={} HTTP/1.1", one.expose(), two.expose());
        let clean = format!("GET /?key=mk_{}_***&mk_x&other=mk_{}_*** HTTP/1.1", one.id, two.id);
        assert_eq!(redact(&line), clean);
        for unchanged in ["", "GET / HTTP/1.1", "mk_", "/mk_01234ab_x", "/mk_01234abw_x"] {
            assert_eq!(redact(unchanged), unchanged);
        }
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_of_the_form_is_a_key(id in "[0-9a-v]{8}", secret in "[A-Za-z0-9_-]{43}") {
            let key = Key::parse(&format!("mk_{id}_{secret}")).unwrap();
            prop_assert_eq!((key.id, key.secret), (id, secret));
        }

        #[test]
        fn a_key_is_exposed_as_it_was_parsed_and_printed_without_its_secret(
            text in prop_oneof![
                "mk_[0-9a-v]{8}_[A-Za-z0-9_-]{43}",
                "mk_[0-9a-zA-Z_]{6,10}_[A-Za-z0-9_+=-]{42,44}",
                "(?s).*",
            ],
        ) {
            if let Some(key) = Key::parse(&text) {
                prop_assert_eq!(key.expose(), text);
                let printed = format!("{key} {key:?}");
                prop_assert!(!printed.contains(&key.secret));
            }
        }

        #[test]
        fn another_secret_has_another_digest(
            one in "[A-Za-z0-9_-]{43}",
            other in "[A-Za-z0-9_-]{43}",
        ) {
            let hash = |secret: &str| Key::parse(&format!("mk_01234567_{secret}")).unwrap().hash();
            prop_assert_eq!(hash(&one) == hash(&other), one == other);
        }
    }
}
