//! Group Replication of MySQL: failover to another member, and conflicts that are found at the commit.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;

use super::{eventually, ledger::Ledger};
use crate::{
    cases,
    harness::{
        app::App,
        case::Case,
        client::Client,
        database::{TestDatabase, stderr},
        group::Group,
    },
};

/// Number of concurrent clients.
const CLIENTS: usize = 12;

/// Number of orders acknowledged before and after the fault.
const ORDERS: usize = 40;

/// Number of changes that each client makes.
const CHANGES: i64 = 20;

pub fn cases() -> Vec<Case> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    cases![MYSQL;
        acknowledged_orders_survive_a_killed_primary,
        acknowledged_orders_survive_a_primary_that_leaves,
        several_primaries_serve_and_are_not_migrated,
    ]
}

fn start_group() -> Option<Group> {
    let group = Group::start();
    if group.is_none() {
        println!("fault injection: skipped, TEST_MYSQL_GROUP is not set");
    }
    group
}

async fn acknowledged_orders_survive_a_killed_primary(_: &TestDatabase) {
    orders_survive("killed", async |group| group.kill_primary()).await;
}

/// The primary begins no transactions while it stops, and takes no writes afterwards.
async fn acknowledged_orders_survive_a_primary_that_leaves(_: &TestDatabase) {
    let leave = "STOP GROUP_REPLICATION";
    orders_survive("stopped", async |group| group.members[0].execute(leave).await.unwrap()).await;
}

/// Places orders before and after `fault`, which makes another member the primary.
async fn orders_survive(name: &str, fault: impl AsyncFnOnce(&Group)) {
    let Some(group) = start_group() else { return };
    let app = App::start(&group.url(), &["--demo", "--acquire-timeout", "1"]).await;
    let ledger = Ledger::default();
    let done = Cell::new(false);
    let more_orders = async || {
        let enough = ledger.acknowledged() + ORDERS;
        eventually("orders are placed", async || ledger.acknowledged() >= enough).await;
    };
    let failover = async {
        more_orders().await;
        let started = Instant::now();
        fault(&group).await;
        more_orders().await;
        done.set(true);
        started.elapsed()
    };
    let clients = (0..CLIENTS).map(|_| ledger.place_until(&app.client, &done));
    let (_, elapsed) = tokio::join!(join_all(clients), failover);
    let reads = async || app.client.get("/api/v1/orders/1").await.status == 200;
    eventually("reads succeed", reads).await;
    ledger.verify(&app.client).await;
    let [_, first, second] = &group.members[..] else { panic!("a group has three members") };
    let agree = async || first.count("orders").await == second.count("orders").await;
    eventually("the other members agree", agree).await;
    ledger
        .report(&format!("mysql group, {ORDERS} orders {elapsed:?} after its primary was {name}"));
}

async fn several_primaries_serve_and_are_not_migrated(_: &TestDatabase) {
    let Some(group) = start_group() else { return };
    let [first, second, _] = &group.members[..] else { panic!("a group has three members") };
    first.run_ok(&["migrate", "up"]).await;
    first.run_ok(&["seed", "demo"]).await;
    first.execute("SELECT group_replication_switch_to_multi_primary_mode()").await.unwrap();

    second.run_ok(&["migrate", "up"]).await;
    first.execute("CREATE DATABASE other").await.unwrap();
    let (server, _) = first.url.rsplit_once('/').unwrap();
    let other = TestDatabase::at(first.backend, format!("{server}/other"));
    for (db, command) in [(&other, "up"), (first, "down")] {
        let refused = db.run(&["migrate", command]).await;
        let message = stderr(&refused);
        assert_eq!(refused.status.code(), Some(1), "{message}");
        assert!(message.contains("several primaries"), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }

    let apps = join_all(group.members.iter().map(|member| member.serve(&[]))).await;
    let clients = apps.iter().map(|app| &app.client).cycle().take(CLIENTS);
    let changed: usize = join_all(clients.map(change_a_price)).await.into_iter().sum();
    let conflicts = "SELECT CAST(SUM(count_conflicts_detected) AS SIGNED) AS n \
        FROM performance_schema.replication_group_member_stats";
    let conflicts = first.number(conflicts).await;
    assert!(changed > 0 && conflicts > 0, "{changed} changes, {conflicts} conflicts");
    let price = "SELECT price_cents AS n FROM item WHERE id = 1";
    eventually("the members agree", async || {
        let prices = join_all(group.members.iter().map(|member| member.number(price))).await;
        prices.iter().all(|price| *price == prices[0])
    })
    .await;
    println!("fault injection: mysql group: {changed} changes, {conflicts} conflicts, no error");
}

/// Changes the price of an item again and again; returns how often it was changed. Other changes are refused with 503.
async fn change_a_price(client: &Client) -> usize {
    let mut changed = 0;
    for price in 1..=CHANGES {
        let response = client.patch("/api/v1/items/1", &json!({"price": price})).await;
        if response.status == 503 {
            response.assert_problem(503);
            tokio::time::sleep(Duration::from_millis(50)).await;
        } else {
            response.assert_status(200);
            changed += 1;
        }
    }
    changed
}
