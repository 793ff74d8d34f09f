//! API keys: created, listed, revoked and authenticated.
//!
//! A key is `mk_ID_SECRET`. The id is public: lists show it, and callers are told apart by it. The secret is 256 random
//! bits, which cannot be guessed, so the database holds a plain digest of it.

mod key;
mod usage;

use chrono::{DateTime, NaiveDateTime, Utc};
pub use entity::Role;
use entity::api_keys::{Column, Entity, Model};
pub use key::{Key, is_id, redact};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait,
    DatabaseTransaction, DerivePartialModel, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, SelectExt,
};
use subtle::ConstantTimeEq as _;
pub use usage::KeyUsage;

use crate::{Database, Error, Result, database::query::CompiledQuery, domain::Name};

/// Hash that matches no secret; keeps the comparison time equal for unknown ids.
const DUMMY_HASH: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// New API key.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Name of the holder or the purpose.
    pub name: Name,
    /// Role.
    pub role: Role,
    /// Time from which the key is refused.
    pub expires_at: Option<DateTime<Utc>>,
}

/// API key without its secret.
#[derive(Clone, Debug, PartialEq, Eq, DerivePartialModel)]
#[sea_orm(entity = "Entity")]
pub struct ApiKey {
    /// Public part of the key.
    pub id: String,
    /// Name of the holder or the purpose.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Time of creation: UTC.
    pub created_at: NaiveDateTime,
    /// Time from which the key is refused: UTC.
    pub expires_at: Option<NaiveDateTime>,
    /// Time at which it was revoked: UTC.
    pub revoked_at: Option<NaiveDateTime>,
    /// Time of the last use, up to a quarter of an hour behind: UTC.
    pub last_used_at: Option<NaiveDateTime>,
}

/// Authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Id of the API key.
    pub id: String,
    /// Role of the API key.
    pub role: Role,
}

/// Creates an API key and returns it with its secret, which is not stored. One statement, on MySQL two.
pub async fn create(db: &Database, key: NewKey, now: DateTime<Utc>) -> Result<Key> {
    db.write(move |txn| Box::pin(insert(txn, key.clone(), now))).await
}

/// Generates another key when the transaction is run again because the id was taken.
async fn insert(txn: &DatabaseTransaction, new: NewKey, now: DateTime<Utc>) -> Result<Key> {
    let key = Key::random()?;
    let NewKey { name, role, expires_at } = new;
    let row = Model {
        id: key.id().to_owned(),
        name: name.into(),
        role,
        secret_hash: key.hash(),
        created_at: now.naive_utc(),
        expires_at: expires_at.map(|time| time.naive_utc()),
        revoked_at: None,
        last_used_at: None,
    };
    row.into_active_model().reset_all().insert(txn).await?;
    Ok(key)
}

/// Returns all API keys, the oldest first. One statement.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<ApiKey>> {
    let keys = Entity::find().order_by_asc(Column::CreatedAt).order_by_asc(Column::Id);
    Ok(keys.into_partial_model().all(db).await?)
}

/// Revokes an API key; one that is revoked already stays as it is. Two statements, on MySQL three.
///
/// # Errors
/// [`Error::NoSuchKey`]
pub async fn revoke(db: &Database, id: String, now: DateTime<Utc>) -> Result<()> {
    db.write(move |txn| Box::pin(revoke_in(txn, id.clone(), now))).await
}

async fn revoke_in(txn: &DatabaseTransaction, id: String, now: DateTime<Utc>) -> Result<()> {
    let Some(key) = Entity::find_by_id(&id).lock_exclusive().one(txn).await? else {
        return Err(Error::NoSuchKey(id));
    };
    if key.revoked_at.is_none() {
        let mut revoked = key.into_active_model();
        revoked.revoked_at = Set(Some(now.naive_utc()));
        revoked.update(txn).await?;
    }
    Ok(())
}

/// Returns the holder of the API key `presented`, if it is valid. One statement, none for text that is not a key.
///
/// The time taken depends neither on whether the id exists nor on how much of the secret is right.
pub async fn authenticate(
    db: &impl ConnectionTrait,
    presented: &str,
    now: DateTime<Utc>,
) -> Result<Option<Caller>> {
    let Some(key) = Key::parse(presented) else { return Ok(None) };
    let stored = find(db, key.id()).await?;
    let hash = stored.as_ref().map_or(DUMMY_HASH, |stored| stored.secret_hash.as_str());
    let matches = bool::from(key.hash().as_bytes().ct_eq(hash.as_bytes()));
    let stored = stored.filter(|stored| matches && stored.is_active(now));
    Ok(stored.map(|stored| Caller { id: key.id().to_owned(), role: stored.role }))
}

/// Returns whether there is an API key that is not revoked or expired. One statement.
pub async fn exists_active(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<bool> {
    let unexpired = Condition::any()
        .add(Column::ExpiresAt.is_null())
        .add(Column::ExpiresAt.gt(now.naive_utc()));
    let active = Entity::find().filter(Column::RevokedAt.is_null()).filter(unexpired);
    Ok(active.exists(db).await?)
}

/// Columns of an API key that decide about a request.
struct StoredKey {
    secret_hash: String,
    role: Role,
    expires_at: Option<NaiveDateTime>,
    revoked_at: Option<NaiveDateTime>,
}

impl StoredKey {
    fn is_active(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now.naive_utc() < expiry)
    }
}

/// Compiled: every authenticated request needs it.
async fn find(db: &impl ConnectionTrait, id: &str) -> Result<Option<StoredKey>> {
    type Row = (String, Role, Option<NaiveDateTime>, Option<NaiveDateTime>);
    static KEY: CompiledQuery<Row, ()> = CompiledQuery::new();
    let build = |_| {
        use Column::{ExpiresAt, Id, RevokedAt, Role, SecretHash};
        let key = Entity::find().filter(Id.eq(id)).select_only();
        key.columns([SecretHash, Role, ExpiresAt, RevokedAt]).into_query()
    };
    let row = KEY.one(db, (), vec![id.into()], build).await?;
    Ok(row.map(|(secret_hash, role, expires_at, revoked_at)| StoredKey {
        secret_hash,
        role,
        expires_at,
        revoked_at,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_written_as_stored() {
        use sea_orm::ActiveEnum as _;
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(role.as_str(), role.to_value());
        }
    }
}
