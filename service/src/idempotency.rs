//! Idempotent requests: repeated requests with the same key are carried out once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use chrono::{DateTime, TimeDelta, Utc};
use entity::idempotency_keys::{Column, Entity, Model};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use serde::Serialize;

use crate::{
    Database, Error, Result,
    database::{WorkFuture, silently},
};

/// Greatest number of keys that one transaction of the purge deletes.
const PURGE_BATCH: usize = 500;

/// Idempotency key of a request.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// Id of the caller's API key; empty without authentication.
    pub caller: String,
    /// Key chosen by the caller.
    pub key: String,
    /// Digest of the whole request.
    pub fingerprint: String,
    /// Time for which the key is remembered.
    pub time_to_live: TimeDelta,
}

/// Resource with an id.
pub trait Identified {
    /// Returns the id.
    fn id(&self) -> i64;
}

/// Created resource.
#[derive(Clone, Debug)]
pub struct Created {
    /// Its id.
    pub id: i64,
    /// The resource as JSON.
    pub body: String,
    /// True if an earlier request with the same key created it.
    pub replayed: bool,
}

/// Creates a resource by `work`, unless an earlier request with this key created it.
///
/// The key, the answer and the resource are written in one transaction. Of several such requests at once one does the
/// work, and the others wait for its answer. Beside those of `work`: no statement without a key; with a new key three
/// (on MySQL five, which has no RETURNING); one for a repeated request.
///
/// # Errors
/// [`Error::KeyReused`] if the key was used for another request.
pub(crate) async fn create<T, F>(
    db: &Database,
    key: Option<IdempotencyKey>,
    now: DateTime<Utc>,
    work: F,
) -> Result<Created>
where
    T: Identified + Serialize + Send + 'static,
    F: for<'a> Fn(&'a DatabaseTransaction) -> WorkFuture<'a, T> + Send + Sync + 'static,
{
    let work = Arc::new(work);
    db.write(move |txn| {
        let (key, work) = (key.clone(), Arc::clone(&work));
        Box::pin(async move {
            let Some(key) = key else { return created(&work(txn).await?) };
            if let Some(earlier) = find(txn, &key, now).await? {
                return Ok(earlier);
            }
            let claim = claim(txn, key, now).await?;
            let created = created(&work(txn).await?)?;
            store(txn, claim, &created).await?;
            Ok(created)
        })
    })
    .await
}

/// Deletes expired keys and returns their number. Two statements for each batch and caller of it.
///
/// Each batch is a transaction of its own, and between two the purge waits as long as the first took: requests take
/// their turns on SQLite's only writer, and no lock is held for long elsewhere. Several servers may purge at once.
pub async fn purge_expired(db: &Database, now: DateTime<Utc>) -> Result<u64> {
    let mut purged = 0;
    loop {
        let started = Instant::now();
        let batch = silently(expired_batch(db, now)).await?;
        let is_last = batch.len() < PURGE_BATCH;
        purged += delete_expired(db, batch, now).await?;
        if is_last {
            return Ok(purged);
        }
        tokio::time::sleep(started.elapsed()).await;
    }
}

/// Returns caller and key of the keys that expired first, at most [`PURGE_BATCH`].
async fn expired_batch(db: &Database, now: DateTime<Utc>) -> Result<Vec<(String, String)>> {
    let expired = Entity::find()
        .filter(Column::ExpiresAt.lte(now.naive_utc()))
        .order_by_asc(Column::ExpiresAt)
        .limit(PURGE_BATCH as u64)
        .select_only()
        .columns([Column::Caller, Column::IdempotencyKey]);
    Ok(expired.into_tuple().all(db.primary_reader()).await?)
}

/// Deletes those keys that are still expired: meanwhile a request may have claimed one again.
async fn delete_expired(
    db: &Database,
    keys: Vec<(String, String)>,
    now: DateTime<Utc>,
) -> Result<u64> {
    // In the order of the primary key, so that two servers wait for each other and do not deadlock.
    let mut by_caller = BTreeMap::<_, BTreeSet<_>>::new();
    for (caller, key) in keys {
        by_caller.entry(caller).or_default().insert(key);
    }
    let by_caller = Arc::new(by_caller);
    db.write_silently(move |txn: &DatabaseTransaction| -> WorkFuture<'_, u64> {
        let by_caller = Arc::clone(&by_caller);
        Box::pin(async move {
            let mut deleted = 0;
            for (caller, keys) in by_caller.iter() {
                // One statement a caller, since SQLite has no list of pairs; not by a range of expiry times, which may contain any
                // number of keys. As a CASE the condition does not use the index of expiry times: without statistics
                // PostgreSQL would read all expired keys for each batch.
                let is_expired: Expr =
                    Expr::case(Column::ExpiresAt.lte(now.naive_utc()), 1).finally(0).into();
                let keys = Entity::delete_many()
                    .filter(Column::Caller.eq(caller))
                    .filter(Column::IdempotencyKey.is_in(keys))
                    .filter(is_expired.eq(1));
                deleted += keys.exec(txn).await?.rows_affected;
            }
            Ok(deleted)
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
    let Some(row) = Entity::find_by_id(id.clone()).one(txn).await? else { return Ok(None) };
    if row.expires_at <= now.naive_utc() {
        // Only if still expired: meanwhile another request may have claimed the key and be done.
        let expired = Column::ExpiresAt.lte(now.naive_utc());
        Entity::delete_by_id(id).filter(expired).exec(txn).await?;
        return Ok(None);
    }
    if row.fingerprint != key.fingerprint {
        return Err(Error::KeyReused);
    }
    Ok(Some(Created { id: row.resource_id, body: row.body, replayed: true }))
}

/// Claims the key. Another request with the key waits here, and conflicts when this transaction commits.
async fn claim(
    txn: &DatabaseTransaction,
    key: IdempotencyKey,
    now: DateTime<Utc>,
) -> Result<Model> {
    let IdempotencyKey { caller, key, fingerprint, time_to_live } = key;
    let row = Model {
        caller,
        idempotency_key: key,
        fingerprint,
        resource_id: 0,
        body: String::new(),
        expires_at: (now + time_to_live).naive_utc(),
    };
    Ok(row.into_active_model().reset_all().insert(txn).await?)
}

async fn store(txn: &DatabaseTransaction, claim: Model, created: &Created) -> Result<()> {
    let mut answer = claim.into_active_model();
    answer.resource_id = Set(created.id);
    answer.body = Set(created.body.clone());
    answer.update(txn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

    use super::*;
    use crate::testing::demo_database;

    #[derive(Serialize)]
    struct Made(i64);

    impl Identified for Made {
        fn id(&self) -> i64 {
            self.0
        }
    }

    fn key(key: &str, fingerprint: &str) -> IdempotencyKey {
        IdempotencyKey {
            caller: String::new(),
            key: key.to_owned(),
            fingerprint: fingerprint.to_owned(),
            time_to_live: TimeDelta::seconds(10),
        }
    }

    fn second(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    #[tokio::test]
    async fn a_key_is_carried_out_once_until_it_expires() {
        let (_directory, db) = demo_database().await;
        let count = Arc::new(AtomicI64::new(0));
        let request = |key, at| {
            let count = Arc::clone(&count);
            create(&db, key, at, move |_| {
                let made = Made(count.fetch_add(1, SeqCst) + 1);
                Box::pin(async move { Ok(made) })
            })
        };
        for (key, at, id, replayed) in [
            (Some(key("a", "one")), 0, 1, false),
            (Some(key("a", "one")), 9, 1, true),
            (Some(key("b", "one")), 9, 2, false),
            (None, 9, 3, false),
            (Some(key("a", "one")), 10, 4, false),
            (Some(key("a", "one")), 19, 4, true),
        ] {
            let made = request(key, second(at)).await.unwrap();
            assert_eq!((made.id, made.replayed), (id, replayed), "at {at}");
            assert_eq!(made.body, id.to_string());
        }
        assert!(matches!(request(Some(key("b", "two")), second(9)).await, Err(Error::KeyReused)));
        assert_eq!(purge_expired(&db, second(19)).await.unwrap(), 1);
        assert_eq!(purge_expired(&db, second(20)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_refused_request_leaves_its_key_free() {
        let (_directory, db) = demo_database().await;
        let refused = create(&db, Some(key("a", "one")), second(0), |_| {
            Box::pin(async { Err::<Made, _>(Error::NotEmpty) })
        });
        assert!(matches!(refused.await, Err(Error::NotEmpty)));
        let made =
            create(&db, Some(key("a", "two")), second(0), |_| Box::pin(async { Ok(Made(1)) }));
        assert!(!made.await.unwrap().replayed);
    }
}
