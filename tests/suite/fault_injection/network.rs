//! Loss of the network to the database server.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::eventually;
use crate::{
    cases,
    harness::{
        app::App,
        case::Case,
        client::{ALEX, Client, MILK, TestResponse},
        database::TestDatabase,
    },
};

/// Time within which the service must be restored after the network is.
const RESTORED_WITHIN: Duration = Duration::from_secs(15);

/// Longest time that a request may take in an outage: the deadline of a statement, and some patience.
const LONGEST_WAIT: Duration = Duration::from_secs(14);

pub fn cases() -> Vec<Case> {
    cases![SERVERS;
        the_service_recovers_from_a_silent_network,
        connections_of_clients_that_left_in_a_silence_recover,
        a_refusal_is_reported_at_once,
        a_commit_of_unknown_outcome_is_said_to_be_so,
        a_transaction_whose_connection_breaks_is_run_again,
    ]
}

/// Sends a read and an order, and returns whether both succeed. Each answer comes in time and is a success or 503.
async fn serves(client: &Client) -> bool {
    let mut succeeded = true;
    for order in [false, true] {
        let sent = Instant::now();
        let response = if order {
            client.place_order(ALEX, &[(MILK, 1)]).await
        } else {
            client.get("/api/v1/orders/1").await
        };
        assert!(sent.elapsed() < LONGEST_WAIT, "{:?} {response:?}", sent.elapsed());
        if !response.status.is_success() {
            response.assert_problem(503);
            succeeded = false;
        }
    }
    succeeded
}

async fn the_service_recovers_from_a_silent_network(db: &TestDatabase) {
    let (proxy, url) = db.behind_proxy().await;
    let app = App::start(&url, &["--demo", "--max-connections", "4"]).await;
    assert!(join_all((0..8).map(|_| serves(&app.client))).await.into_iter().all(|served| served));

    proxy.be_silent();
    let in_silence = join_all((0..8).map(|_| serves(&app.client)));
    let restored = async {
        eventually("the server is not ready", async || {
            app.client.get("/livez").await.assert_status(200);
            app.client.get("/readyz").await.status == 503
        })
        .await;
        proxy.pass_new_connections();
        let passes_since = Instant::now();
        eventually("the server is ready", async || app.client.get("/readyz").await.status == 200)
            .await;
        eventually("requests succeed", async || serves(&app.client).await).await;
        passes_since.elapsed()
    };
    let (_, elapsed) = tokio::join!(in_silence, restored);
    assert!(elapsed < RESTORED_WITHIN, "{elapsed:?}");
    // Each of the four connections is a new one.
    assert!(join_all((0..16).map(|_| serves(&app.client))).await.into_iter().all(|served| served));
    println!("fault injection: {} restored {elapsed:?} after the network", db.backend.name());
}

async fn connections_of_clients_that_left_in_a_silence_recover(db: &TestDatabase) {
    let (proxy, url) = db.behind_proxy().await;
    let app = App::start(&url, &["--demo", "--max-connections", "4"]).await;
    proxy.be_silent();
    let leaving = (0..8).map(|_| timeout(Duration::from_millis(300), serves(&app.client)));
    assert!(join_all(leaving).await.iter().all(Result::is_err));
    sleep(Duration::from_millis(500)).await;
    proxy.pass_new_connections();
    let passes_since = Instant::now();
    eventually("requests succeed", async || serves(&app.client).await).await;
    assert!(passes_since.elapsed() < RESTORED_WITHIN, "{:?}", passes_since.elapsed());
    assert!(join_all((0..16).map(|_| serves(&app.client))).await.into_iter().all(|served| served));
}

async fn a_refusal_is_reported_at_once(db: &TestDatabase) {
    let (proxy, url) = db.behind_proxy().await;
    let app = App::start(&url, &["--demo"]).await;
    proxy.disconnect();
    let is_refused = async || TcpStream::connect(&proxy.address).await.is_err();
    eventually("the proxy refuses connections", is_refused).await;
    let unreachable = TestDatabase::at(db.backend, url.clone());
    for command in [&["migrate", "status"][..], &["seed", "demo"], &["serve"], &["api-key", "list"]]
    {
        let started = Instant::now();
        let output = unreachable.run(command).await;
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command:?} {message}");
        assert!(message.contains("Connection refused"), "{command:?} {message}");
        assert!(!message.contains("timed out"), "{command:?} {message}");
        assert!(started.elapsed() < Duration::from_secs(3), "{command:?} {:?}", started.elapsed());
    }
    // The first requests meet connections that were closed, and the later ones a refusal.
    for _ in 0..20 {
        let sent = Instant::now();
        let response = TestResponse::of(app.client.request("GET", "/api/v1/orders/1")).await;
        response.assert_problem(503);
        assert!(sent.elapsed() < Duration::from_secs(2), "{:?} {response:?}", sent.elapsed());
    }
    app.logged("Connection refused").await;
}

/// Places an order with an idempotency key.
async fn place_with_key(client: &Client, key: &str) -> TestResponse {
    let order = json!({"customer_id": ALEX, "items": [{"id": MILK, "quantity": 1}]});
    let request = client.request("POST", "/api/v1/orders").header("idempotency-key", key);
    TestResponse::of(request.json(&order)).await
}

async fn a_commit_of_unknown_outcome_is_said_to_be_so(db: &TestDatabase) {
    let (proxy, url) = db.in_plain_text_behind_proxy().await;
    let app = App::start(&url, &["--demo"]).await;
    proxy.cut_after("COMMIT");
    let unknown = place_with_key(&app.client, "once").await;
    let problem = unknown.assert_problem(503);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("may or may not have been carried out"), "{detail}");
    // The server carries out the commit, whose answer is lost.
    eventually("the order is stored", async || db.count("orders").await == 4).await;
    let repeated = place_with_key(&app.client, "once").await;
    repeated.assert_status(201);
    assert_eq!(repeated.header("idempotency-replayed"), "true");
    assert_eq!(db.count("orders").await, 4);
}

async fn a_transaction_whose_connection_breaks_is_run_again(db: &TestDatabase) {
    drop(db.serve_demo().await);
    let (proxy, url) = db.in_plain_text_behind_proxy().await;
    for (n, before_commit) in (4..).zip(["BEGIN", "customer", "order_items"]) {
        // The text of a statement is sent once on each connection, which prepares it.
        let app = App::start(&url, &["--max-connections", "1"]).await;
        proxy.cut_after(before_commit);
        app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
        assert_eq!(db.count("orders").await, n);
    }
}
