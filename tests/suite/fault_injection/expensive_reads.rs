//! Reports over all orders while others read and place orders.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::time::timeout;

use super::{eventually, repetitions};
use crate::{
    cases,
    harness::{
        app::App,
        case::Case,
        client::{Client, TestResponse},
        database::TestDatabase,
    },
};

const ALL_TIME: &str = "/api/v1/reports/best-sellers?from=2000-01-01&to=2100-01-01";

/// Number of reports at the same time.
const REPORTS: usize = 12;

/// Time within which every other request must be answered.
const BOUND: Duration = Duration::from_secs(1);

pub fn cases() -> Vec<Case> {
    cases![reports_delay_no_other_request]
}

async fn reports_delay_no_other_request(db: &TestDatabase) {
    let orders = repetitions("FAULT_ORDERS", 30_000);
    db.generate(1000, 1000, orders, 1).await;
    let app = App::start_without_echo(&db.url, &[]).await;
    let done = Cell::new(false);
    let answered = Cell::new(0);
    let reports = join_all((0..REPORTS).map(|_| report_until(&app.client, &done, &answered)));
    let others = async {
        let mut slowest = ("", Duration::ZERO);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(3) || answered.get() == 0 {
            let (name, elapsed) = ordinary_requests(&app.client).await;
            if elapsed > slowest.1 {
                slowest = (name, elapsed);
            }
        }
        done.set(true);
        slowest
    };
    let (_, (name, slowest)) = tokio::join!(reports, others);
    assert!(slowest < BOUND, "{name}: {slowest:?}");
    println!(
        "fault injection: {} {orders} orders, {REPORTS} reports at once: {} answered, slowest other request {slowest:?}",
        db.backend.name(),
        answered.get()
    );

    // Reports whose clients leave end on their own.
    let leaving =
        (0..REPORTS).map(|_| timeout(Duration::from_millis(20), app.client.get(ALL_TIME)));
    join_all(leaving).await;
    let unused = async || {
        let metrics = app.client.get("/metrics").await.body;
        let mut pools =
            metrics.lines().filter(|line| line.starts_with("marketsvc_db_connections_in_use{"));
        pools.all(|line| line.ends_with(" 0"))
    };
    eventually("no connection is in use", unused).await;
}

/// Requests the report until `done`, and counts the answers. It may be refused, with the time to wait.
async fn report_until(client: &Client, done: &Cell<bool>, answered: &Cell<u32>) {
    while !done.get() {
        let response = client.get(ALL_TIME).await;
        if response.status == 200 {
            answered.set(answered.get() + 1);
        } else {
            response.assert_problem(503);
            assert_ne!(response.header("retry-after"), "");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Sends one request of each kind, all of which must succeed; returns the slowest with its duration.
async fn ordinary_requests(client: &Client) -> (&'static str, Duration) {
    let mut slowest = ("", Duration::ZERO);
    for name in ["order", "list", "placing", "readiness"] {
        let sent = Instant::now();
        let (response, status): (TestResponse, _) = match name {
            "order" => (client.get("/api/v1/orders/1").await, 200),
            "list" => (client.get("/api/v1/orders?limit=20").await, 200),
            "placing" => (client.place_order(1, &[(1, 1), (2, 1)]).await, 201),
            _ => (client.get("/readyz").await, 200),
        };
        response.assert_status(status);
        if sent.elapsed() > slowest.1 {
            slowest = (name, sent.elapsed());
        }
    }
    slowest
}
