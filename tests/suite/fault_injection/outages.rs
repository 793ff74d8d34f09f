//! SIGKILL of the database server while the service processes orders.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use super::{eventually, ledger::Ledger, repetitions, varying_delay};
use crate::{
    cases,
    harness::{
        app::App,
        case::Case,
        client::{Client, TestResponse},
        database::TestDatabase,
        server::Server,
    },
};

/// Number of clients that place orders concurrently.
const CLIENTS: u32 = 12;

/// Number of orders acknowledged before and after each kill.
const ORDERS: usize = 40;

pub fn cases() -> Vec<Case> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    cases![SERVERS; acknowledged_orders_survive_a_killed_database]
}

async fn acknowledged_orders_survive_a_killed_database(db: &TestDatabase) {
    let Some(mut server) = Server::start(db.backend).await else {
        println!("fault injection: skipped, no program to start a separate database server");
        return;
    };
    let kills = repetitions("FAULT_DB_KILLS", 2);
    let app = App::start(&server.db.url, &["--demo", "--acquire-timeout", "1"]).await;
    let ledger = Ledger::default();
    let done = Cell::new(false);
    let more_orders = async || {
        let acknowledged = ledger.acknowledged();
        let enough = async || ledger.acknowledged() >= acknowledged + ORDERS;
        eventually("orders are placed", enough).await;
    };
    let outages = async {
        for n in 0..kills {
            more_orders().await;
            varying_delay(n).await;
            let refusals = ledger.refusals();
            server.kill();
            let all = async || ledger.refusals() >= refusals + CLIENTS as usize;
            eventually("all clients are refused with 503", all).await;
            app.client.get("/livez").await.assert_status(200);
            eventually("the server is not ready", async || is_ready(&app).await == Some(false))
                .await;
            server.start_again().await;
        }
        more_orders().await;
        eventually("the server is ready", async || is_ready(&app).await == Some(true)).await;
        done.set(true);
    };
    let clients = (0..CLIENTS).map(|_| ledger.place_until(&app.client, &done));
    tokio::join!(join_all(clients), outages, read_until(&app.client, &done));
    ledger.verify(&app.client).await;
    ledger.report(&format!("{} killed {kills} times", db.backend.name()));
}

/// Returns what `/readyz` says, in milliseconds in any state of the database.
async fn is_ready(app: &App) -> Option<bool> {
    let asked = Instant::now();
    let response = app.client.get("/readyz").await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{response:?}");
    match response.status.as_u16() {
        200 => Some(true),
        503 => Some(false),
        _ => None,
    }
}

/// Sends read requests until `done`; each must succeed or be refused with 503.
async fn read_until(client: &Client, done: &Cell<bool>) {
    while !done.get() {
        for path in ["/api/order_total/1", "/api/orders_total?orders=1,2,3", "/api/v1/customers"] {
            let response = client.get(path).await;
            if response.status != 200 {
                response.assert_problem(503);
                assert_eq!(response.header("retry-after"), "1");
            }
        }
        // A stream that breaks off midway is not a complete response.
        if let Ok(response) = TestResponse::try_of(client.request("GET", "/api/customers")).await
            && response.status != 503
        {
            assert_eq!(response.assert_status(200).json().as_array().map(Vec::len), Some(3));
        }
    }
}
