//! Requests that are carried out once, however often they come.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entity::idempotency_keys::{ActiveModel, Column, Entity, Model};
use futures_util::future::BoxFuture;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    Set,
};
use serde::Serialize;

use crate::{Database, Error, Result};

/// What tells one request from others.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// Whose key it is; empty for a caller without a name.
    pub caller: String,
    /// What the caller chose.
    pub key: String,
    /// A digest of everything that the request asks for.
    pub fingerprint: String,
    /// How long the key is remembered.
    pub time_to_live: TimeDelta,
}

/// Something with an id.
pub trait Identified {
    /// Its id.
    fn id(&self) -> i64;
}

/// What a request made.
#[derive(Clone, Debug)]
pub struct Created {
    /// Its id.
    pub id: i64,
    /// The resource as JSON.
    pub body: String,
    /// Whether an earlier request made it.
    pub replayed: bool,
}

/// Makes something by `work`, unless the request with this key made it before.
///
/// Key, answer and what was made are written in one transaction, so that all of it is there or nothing.
/// Of several such requests at once one does the work, and the others wait for its answer.
///
/// # Errors
/// [`Error::KeyReused`] where the key came with another request.
pub(crate) async fn create<T, F>(
    db: &Database,
    key: Option<IdempotencyKey>,
    now: DateTime<Utc>,
    work: F,
) -> Result<Created>
where
    T: Identified + Serialize + Send + 'static,
    F: for<'a> Fn(&'a DatabaseTransaction) -> BoxFuture<'a, Result<T>> + Send + Sync + 'static,
{
    let work = Arc::new(work);
    db.write(move |txn| {
        let (key, work) = (key.clone(), Arc::clone(&work));
        Box::pin(async move {
            let Some(key) = key else { return created(&work(txn).await?) };
            if let Some(earlier) = find(txn, &key, now).await? {
                return Ok(earlier);
            }
            claim(txn, &key, now).await?;
            let created = created(&work(txn).await?)?;
            store(txn, &key, &created).await?;
            Ok(created)
        })
    })
    .await
}

/// Forgets keys whose time is over, and returns how many.
pub async fn forget_expired(db: &Database, now: DateTime<Utc>) -> Result<u64> {
    db.write(move |txn| {
        Box::pin(async move {
            let expired = Column::ExpiresAt.lte(now.naive_utc());
            Ok(Entity::delete_many().filter(expired).exec(txn).await?.rows_affected)
        })
    })
    .await
}

fn created<T: Identified + Serialize>(resource: &T) -> Result<Created> {
    Ok(Created { id: resource.id(), body: serde_json::to_string(resource)?, replayed: false })
}

async fn find(
    txn: &DatabaseTransaction,
    key: &IdempotencyKey,
    now: DateTime<Utc>,
) -> Result<Option<Created>> {
    let id = (key.caller.clone(), key.key.clone());
    let Some(row) = Entity::find_by_id(id).one(txn).await? else { return Ok(None) };
    if row.expires_at <= now.naive_utc() {
        // Only what has expired: meanwhile another request may have come with the key, and be done.
        Entity::delete_many()
            .filter(Column::Caller.eq(&*key.caller))
            .filter(Column::IdempotencyKey.eq(&*key.key))
            .filter(Column::ExpiresAt.lte(now.naive_utc()))
            .exec(txn)
            .await?;
        return Ok(None);
    }
    if row.fingerprint != key.fingerprint {
        return Err(Error::KeyReused);
    }
    Ok(Some(Created { id: row.resource_id, body: row.body, replayed: true }))
}

/// Whoever else has the key waits here, and clashes when this transaction commits.
async fn claim(txn: &DatabaseTransaction, key: &IdempotencyKey, now: DateTime<Utc>) -> Result<()> {
    let IdempotencyKey { caller, key, fingerprint, time_to_live } = key.clone();
    let row = Model {
        caller,
        idempotency_key: key,
        fingerprint,
        resource_id: 0,
        body: String::new(),
        expires_at: (now + time_to_live).naive_utc(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(txn).await?;
    Ok(())
}

async fn store(db: &impl ConnectionTrait, key: &IdempotencyKey, created: &Created) -> Result<()> {
    let row = ActiveModel {
        resource_id: Set(created.id),
        body: Set(created.body.clone()),
        ..Default::default()
    };
    Entity::update_many()
        .set(row)
        .filter(Column::Caller.eq(&*key.caller))
        .filter(Column::IdempotencyKey.eq(&*key.key))
        .exec(db)
        .await?;
    Ok(())
}
