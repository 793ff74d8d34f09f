//! Secrets of the service, kept in the database, so that all its processes share them.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::secrets::{Entity, Model};
use hmac::{Hmac, KeyInit, Mac};
use rand::{TryRng as _, rngs::SysRng};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel};
use sha2::Sha256;

use crate::{Database, Result, database::WorkFuture};

/// Name of the secret that signs cursors.
const CURSOR: &str = "cursor";

/// Length of a signature: half of an HMAC-SHA-256, as RFC 2104 permits.
pub const SIGNATURE_BYTES: usize = 16;

/// Length of the key that HMAC-SHA-256 pads shorter keys to.
const KEY_BYTES: usize = 64;

/// Secret that signs texts.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

impl Secret {
    /// Creates a secret from its text, of which the first 64 bytes count.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut key = [0; KEY_BYTES];
        key.iter_mut().zip(text.bytes()).for_each(|(byte, given)| *byte = given);
        Self(Hmac::new(&key.into()))
    }

    /// Returns the signature of `message` in a `context`, a text without NUL.
    #[must_use]
    pub fn sign(&self, context: &str, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut signature = [0; SIGNATURE_BYTES];
        let full = self.mac(context, message).finalize().into_bytes();
        signature.iter_mut().zip(full).for_each(|(byte, full)| *byte = full);
        signature
    }

    /// Returns whether the signature is that of [`Secret::sign`]; the time taken does not depend on how much of it is
    /// right.
    #[must_use]
    pub fn verifies(
        &self,
        context: &str,
        message: &[u8],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> bool {
        self.mac(context, message).verify_truncated_left(signature).is_ok()
    }

    fn mac(&self, context: &str, message: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(context).chain_update([0]).chain_update(message)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Returns the secret that signs cursors, and creates it if there is none. One statement, and a transaction of two if
/// it is created.
pub async fn of_cursors(db: &Database) -> Result<Secret> {
    if let Some(stored) = Entity::find_by_id(CURSOR).one(db.primary_reader()).await? {
        return Ok(Secret::new(&stored.value));
    }
    create(db).await
}

/// Not echoed: the log would show the secret.
async fn create(db: &Database) -> Result<Secret> {
    db.write_silently(|txn: &DatabaseTransaction| -> WorkFuture<'_, Secret> {
        Box::pin(find_or_create(txn, CURSOR))
    })
    .await
}

/// The transaction is run again when another process has inserted the row meanwhile, and then finds it.
async fn find_or_create(txn: &DatabaseTransaction, name: &str) -> Result<Secret> {
    if let Some(stored) = Entity::find_by_id(name).one(txn).await? {
        return Ok(Secret::new(&stored.value));
    }
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes)?;
    let row = Model { name: name.to_owned(), value: BASE64_URL_SAFE_NO_PAD.encode(bytes) };
    let stored = row.into_active_model().reset_all().insert(txn).await?;
    Ok(Secret::new(&stored.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::demo_database;

    /// Test case 2 of RFC 4231, whose message begins with what is the context here.
    #[test]
    fn signatures_are_those_of_hmac_sha_256() {
        let secret = Secret::new("Jefe");
        let expected = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        let expected = expected.chain_update(b"what\0do ya want").finalize().into_bytes();
        assert_eq!(secret.sign("what", b"do ya want"), expected[..SIGNATURE_BYTES]);
        assert_eq!(format!("{secret:?}"), "Secret(***)");
    }

    #[test]
    fn a_signature_holds_for_its_secret_context_and_message_only() {
        let secret = Secret::new("one");
        let signature = secret.sign("a", b"bc");
        assert!(secret.verifies("a", b"bc", &signature));
        assert!(!secret.verifies("ab", b"c", &signature));
        assert!(!secret.verifies("a", b"bd", &signature));
        assert!(!Secret::new("two").verifies("a", b"bc", &signature));
        assert!(!secret.verifies("a", b"bc", &[0; SIGNATURE_BYTES]));
    }

    #[tokio::test]
    async fn the_secret_is_created_once() {
        let (_directory, db) = demo_database().await;
        let secret = of_cursors(&db).await.unwrap();
        let again = create(&db).await.unwrap();
        let stored = of_cursors(&db).await.unwrap();
        let signature = secret.sign("", b"x");
        assert_eq!((again.sign("", b"x"), stored.sign("", b"x")), (signature, signature));
    }
}
