//! Keys to the API: made, listed, revoked and recognised.
//!
//! A key is `mk_ID_SECRET`. The id is public: lists show it, and callers are told apart by it. The secret
//! is 256 random bits, too many to be guessed, so that a plain digest of it, which is all that the
//! database holds, gives nothing away.

use std::{borrow::Cow, fmt};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use chrono::{DateTime, NaiveDateTime, Utc};
pub use entity::Role;
use entity::api_keys::{ActiveModel, Column, Entity, Model};
use rand::{TryRng as _, rngs::SysRng};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DerivePartialModel, EntityTrait,
    FromQueryResult, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Set,
    StatementBuilder, sea_query::Values,
};
use subtle::ConstantTimeEq as _;

use crate::{Database, Error, Result, statement::PerBackend, version::digest};

const PREFIX: &str = "mk_";

/// Letters and digits of an id: 40 random bits.
const ID_LENGTH: usize = 8;

/// Of 32 bytes in base64url.
const SECRET_LENGTH: usize = 43;

/// Stands in for the digest of a key that there is not. That of no known secret.
const NOBODYS_HASH: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A whole key. To print it is [`Key::expose`] only.
#[derive(Clone)]
pub struct Key {
    id: String,
    secret: String,
}

impl Key {
    /// From the operating system's source of randomness.
    fn random() -> Result<Self> {
        let mut id = [0; ID_LENGTH];
        SysRng.try_fill_bytes(&mut id)?;
        let mut secret = [0; 32];
        SysRng.try_fill_bytes(&mut secret)?;
        let letter = |byte: u8| char::from_digit(u32::from(byte % 32), 32);
        let id = id.into_iter().filter_map(letter).collect();
        Ok(Self { id, secret: URL_SAFE_NO_PAD.encode(secret) })
    }

    /// `None` for what does not even look like a key.
    fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_secret = secret.len() == SECRET_LENGTH && secret.chars().all(is_of_base64url);
        (is_id(id) && is_secret).then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// The public part.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// All of it, for its owner.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret)
    }

    /// Of the text, not of the bytes: base64 can be written in more than one way.
    fn hash(&self) -> String {
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

/// `text`, in which nobody can read the secret of a key that strayed into it.
#[must_use]
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    let mut parts = text.split(PREFIX);
    let mut clean = Cow::Borrowed(parts.next().unwrap_or_default());
    for part in parts {
        clean += PREFIX;
        match part.split_once('_') {
            Some((id, rest)) if is_id(id) => {
                clean += id;
                clean += "_***";
                clean += rest.trim_start_matches(is_of_base64url);
            }
            _ => clean += part,
        }
    }
    clean
}

fn is_of_base64url(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'
}

/// Whether `text` could be the id of a key.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v'))
}

/// A key to make.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Whose it is, or what it is for.
    pub name: String,
    /// What it is good for.
    pub role: Role,
    /// From when on it is no longer good.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq, DerivePartialModel)]
#[sea_orm(entity = "Entity")]
pub struct ApiKey {
    /// The public part of the key.
    pub id: String,
    /// Whose it is, or what it is for.
    pub name: String,
    /// What it is good for.
    pub role: Role,
    /// When it was made: UTC.
    pub created_at: NaiveDateTime,
    /// From when on it is no longer good: UTC.
    pub expires_at: Option<NaiveDateTime>,
    /// When it was revoked: UTC.
    pub revoked_at: Option<NaiveDateTime>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The id of the key.
    pub id: String,
    /// What the key is good for.
    pub role: Role,
}

/// Makes a key, which is never to be seen again.
pub async fn create(db: &Database, key: NewKey, now: DateTime<Utc>) -> Result<Key> {
    db.write(move |txn| Box::pin(insert(txn, key.clone(), now))).await
}

/// Draws anew when it is carried out again because the id was taken.
async fn insert(txn: &DatabaseTransaction, new: NewKey, now: DateTime<Utc>) -> Result<Key> {
    let key = Key::random()?;
    let NewKey { name, role, expires_at } = new;
    let row = Model {
        id: key.id.clone(),
        name,
        role,
        secret_hash: key.hash(),
        created_at: now.naive_utc(),
        expires_at: expires_at.map(|time| time.naive_utc()),
        revoked_at: None,
    };
    Entity::insert(row.into_active_model()).exec_without_returning(txn).await?;
    Ok(key)
}

/// All keys, the oldest first. One statement.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<ApiKey>> {
    let keys = Entity::find().order_by_asc(Column::CreatedAt).order_by_asc(Column::Id);
    Ok(keys.into_partial_model().all(db).await?)
}

/// Makes a key worthless. One that is so already stays as it is.
///
/// # Errors
/// [`Error::NoSuchKey`]
pub async fn revoke(db: &Database, id: String, now: DateTime<Utc>) -> Result<()> {
    db.write(move |txn| Box::pin(revoke_in(txn, id.clone(), now))).await
}

async fn revoke_in(txn: &DatabaseTransaction, id: String, now: DateTime<Utc>) -> Result<()> {
    let row = ActiveModel { revoked_at: Set(Some(now.naive_utc())), ..Default::default() };
    let revoking = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(&*id))
        .filter(Column::RevokedAt.is_null());
    if revoking.exec(txn).await?.rows_affected == 0 && find(txn, &id).await?.is_none() {
        return Err(Error::NoSuchKey(id));
    }
    Ok(())
}

/// Whose key `presented` is, if it is one that is good. One statement at most.
///
/// How long it takes tells neither whether there is a key with that id nor how much of the secret is right.
pub async fn authenticate(
    db: &impl ConnectionTrait,
    presented: &str,
    now: DateTime<Utc>,
) -> Result<Option<Caller>> {
    let Some(key) = Key::parse(presented) else { return Ok(None) };
    let row = find(db, &key.id).await?;
    let hash = row.as_ref().map_or(NOBODYS_HASH, |row| row.secret_hash.as_str());
    let is_right = bool::from(key.hash().as_bytes().ct_eq(hash.as_bytes()));
    let row = row.filter(|row| is_right && is_good(row, now));
    Ok(row.map(|row| Caller { id: row.id, role: row.role }))
}

/// Whether there is a key that anybody could come in with. One statement.
pub async fn is_any_good(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<bool> {
    let unexpired = Condition::any()
        .add(Column::ExpiresAt.is_null())
        .add(Column::ExpiresAt.gt(now.naive_utc()));
    let id: Option<String> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::RevokedAt.is_null())
        .filter(unexpired)
        .into_tuple()
        .one(db)
        .await?;
    Ok(id.is_some())
}

fn is_good(key: &Model, now: DateTime<Utc>) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|expiry| now.naive_utc() < expiry)
}

/// By a statement that is built once: every request needs it.
async fn find(db: &impl ConnectionTrait, id: &str) -> Result<Option<Model>> {
    static STATEMENT: PerBackend<sea_orm::Statement> = PerBackend::new();
    let backend = db.get_database_backend();
    let build = || StatementBuilder::build(&Entity::find_by_id("").into_query(), &backend);
    let mut statement = STATEMENT.get_or_make(backend, build).clone();
    statement.values = Some(Values(vec![id.into()]));
    Ok(Model::find_by_statement(statement).one(db).await?)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let key = Key::random().unwrap();
        let read = Key::parse(&key.expose()).unwrap();
        assert_eq!((read.id, read.secret), (key.id, key.secret));
    }

    #[test]
    fn keys_look_as_documented_and_differ() {
        let keys: HashSet<_> = (0..1000).map(|_| Key::random().unwrap().expose()).collect();
        assert_eq!(keys.len(), 1000);
        for key in keys {
            assert_eq!(key.len(), 3 + 8 + 1 + 43, "{key}");
            assert!(key.starts_with("mk_") && is_id(&key[3..11]), "{key}");
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
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
    fn a_secret_that_strayed_is_taken_out() {
        let (one, two) = (Key::random().unwrap(), Key::random().unwrap());
        let line = format!("GET /?key={}&mk_x&other={} HTTP/1.1", one.expose(), two.expose());
        let clean = format!("GET /?key=mk_{}_***&mk_x&other=mk_{}_*** HTTP/1.1", one.id, two.id);
        assert_eq!(without_secrets(&line), clean);
        for harmless in ["", "GET / HTTP/1.1", "mk_", "/mk_01234ab_x", "/mk_01234abw_x"] {
            assert_eq!(without_secrets(harmless), harmless);
        }
    }

    #[test]
    fn roles_are_ordered_and_written_as_stored() {
        use sea_orm::ActiveEnum as _;
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(role.as_str(), role.to_value());
        }
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_has_the_form_is_a_key(id in "[0-9a-v]{8}", secret in "[A-Za-z0-9_-]{43}") {
            let key = Key::parse(&format!("mk_{id}_{secret}")).unwrap();
            prop_assert_eq!((key.id, key.secret), (id, secret));
        }

        #[test]
        fn a_key_is_written_as_it_was_read_and_printed_without_its_secret(
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
