//! Many expired idempotency keys.

use std::time::{Duration, Instant};

use super::repetitions;
use crate::{
    cases,
    harness::{
        case::Case,
        client::{ALEX, MILK},
        database::TestDatabase,
    },
};

/// Upper bound for the placement of an order during the purge, ten times what it takes on a quiet machine.
const LONGEST_WRITE: Duration = Duration::from_secs(2);

/// Upper bound for the purge of 100,000 keys.
const LONGEST_PURGE: Duration = Duration::from_mins(3);

pub fn cases() -> Vec<Case> {
    cases![orders_are_placed_while_many_expired_keys_are_purged]
}

/// Inserts 100,000 expired keys, all of the same time, numbered from `first`.
async fn insert_expired_keys(db: &TestDatabase, first: u32) {
    let digits = "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
        UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    let body = "x".repeat(300);
    let insert = format!(
        "INSERT INTO idempotency_keys (caller, idempotency_key, fingerprint, resource_id, body, expires_at) \
         SELECT 'caller', CAST({first} + a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n AS CHAR(20)), \
                'fingerprint', 1, '{body}', '2024-01-01 00:00:00' \
         FROM {digits} a CROSS JOIN {digits} b CROSS JOIN {digits} c CROSS JOIN {digits} d CROSS JOIN {digits} e"
    );
    db.execute(&insert).await.unwrap();
}

/// Two servers purge the same keys. A key that has not expired remains.
async fn orders_are_placed_while_many_expired_keys_are_purged(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
    let rounds = repetitions("PURGE_ROUNDS", 1);
    for round in 0..rounds {
        insert_expired_keys(db, round * 100_000).await;
    }
    let all = i64::from(rounds) * 100_000;
    db.execute("UPDATE idempotency_keys SET expires_at = '2999-01-01 00:00:00' WHERE idempotency_key = '7'")
        .await
        .unwrap();
    let app = db.serve(&["--idempotency-ttl", "1"]).await;
    let _other = db.serve(&["--idempotency-ttl", "1"]).await;
    let started = Instant::now();
    let (mut longest, mut left, mut were_partly_purged) = (Duration::ZERO, all, false);
    while left > 1 {
        assert!(started.elapsed() < LONGEST_PURGE * rounds, "{left} expired keys are left");
        let counted = Instant::now();
        while counted.elapsed() < Duration::from_millis(300) {
            let sent = Instant::now();
            app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
            longest = longest.max(sent.elapsed());
        }
        left = db.count("idempotency_keys").await;
        were_partly_purged |= (2..all).contains(&left);
    }
    assert!(were_partly_purged, "the keys were deleted in one transaction");
    assert!(longest < LONGEST_WRITE, "an order took {longest:?}");
    assert_eq!(db.count("idempotency_keys").await, 1);
}
