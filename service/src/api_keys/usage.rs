//! Time of the last use of each API key: noted in memory by requests, and written rarely.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use entity::api_keys::{Column, Entity};
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter, sea_query::Expr,
};

use crate::{Database, Result, database::WorkFuture};

/// Least time between two writes of the same key, by all processes together.
const WRITE_INTERVAL: TimeDelta = TimeDelta::minutes(15);

/// Number of keys that are written in one transaction.
const KEYS_PER_TRANSACTION: usize = 100;

/// Uses of API keys that this process has seen. It has an entry for each API key that was valid in a request.
#[derive(Debug, Default)]
pub struct KeyUsage(Mutex<HashMap<String, Usage>>);

#[derive(Clone, Copy, Debug)]
struct Usage {
    last: DateTime<Utc>,
    written: Option<DateTime<Utc>>,
}

impl Usage {
    fn is_due(&self) -> bool {
        self.written.is_none_or(|written| self.last - written >= WRITE_INTERVAL)
    }
}

impl KeyUsage {
    /// Notes a use of the API key with this id. Waits for nothing.
    pub fn note(&self, id: &str, now: DateTime<Utc>) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(id) {
            Some(usage) => usage.last = now,
            None => {
                uses.insert(id.to_owned(), Usage { last: now, written: None });
            }
        }
    }

    /// Writes the uses that are due, with one statement for each key and one transaction for each hundred. Without any it
    /// does nothing.
    pub async fn write(&self, db: &Database) -> Result<()> {
        for some in self.due().chunks(KEYS_PER_TRANSACTION) {
            let due = some.to_vec();
            db.write_silently(move |txn: &DatabaseTransaction| -> WorkFuture<'_, ()> {
                let due = due.clone();
                Box::pin(async move { store(txn, &due).await })
            })
            .await?;
            self.mark_written(some);
        }
        Ok(())
    }

    fn mark_written(&self, written: &[(String, DateTime<Utc>)]) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, last) in written {
            if let Some(usage) = uses.get_mut(id) {
                usage.written = Some(*last);
            }
        }
    }

    fn due(&self) -> Vec<(String, DateTime<Utc>)> {
        let uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = uses.iter().filter(|(_, usage)| usage.is_due());
        let mut due: Vec<_> = due.map(|(id, usage)| (id.clone(), usage.last)).collect();
        // In the same order in every process, so that no two wait for each other.
        due.sort_unstable();
        due
    }
}

/// Another process may have written the key a moment ago.
async fn store(txn: &DatabaseTransaction, due: &[(String, DateTime<Utc>)]) -> Result<()> {
    for (id, last) in due {
        let outdated = Condition::any()
            .add(Column::LastUsedAt.is_null())
            .add(Column::LastUsedAt.lte((*last - WRITE_INTERVAL).naive_utc()));
        Entity::update_many()
            .col_expr(Column::LastUsedAt, Expr::value(last.naive_utc()))
            .filter(Column::Id.eq(id))
            .filter(outdated)
            .exec(txn)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api_keys::{NewKey, Role, create, list},
        testing::demo_database,
    };

    fn minute(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    #[tokio::test]
    async fn a_use_is_written_at_most_once_in_a_quarter_of_an_hour() {
        let (_directory, db) = demo_database().await;
        let name = "shop".to_owned().try_into().unwrap();
        let new = NewKey { name, role: Role::Reader, expires_at: None };
        let key = create(&db, new, minute(0)).await.unwrap();
        let (one, other) = (KeyUsage::default(), KeyUsage::default());
        one.write(&db).await.unwrap();
        assert_eq!(list(db.reader()).await.unwrap()[0].last_used_at, None);
        for (process, used, written) in [
            (&one, 1, 1),
            (&one, 2, 1),
            (&other, 3, 1),
            (&one, 16, 16),
            (&one, 17, 16),
            (&other, 40, 40),
            (&one, 39, 40),
        ] {
            process.note(key.id(), minute(used));
            process.write(&db).await.unwrap();
            let last_used = list(db.reader()).await.unwrap()[0].last_used_at;
            assert_eq!(last_used, Some(minute(written).naive_utc()), "used at {used}");
        }
    }
}
