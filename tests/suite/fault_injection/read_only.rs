//! A database server that takes no writes: a standby, or one that was made read-only.

use std::time::{Duration, Instant};

use serde_json::json;

use super::eventually;
use crate::{
    cases,
    harness::{
        app::App,
        case::Case,
        client::{ALEX, MILK},
        database::TestDatabase,
        server::Server,
    },
};

pub fn cases() -> Vec<Case> {
    cases![SERVERS; a_read_only_server_serves_reads_and_refuses_orders]
}

async fn a_read_only_server_serves_reads_and_refuses_orders(db: &TestDatabase) {
    let Some(server) = Server::start(db.backend).await else {
        println!("fault injection: skipped, no program to start a separate database server");
        return;
    };
    let app = App::start(&server.user_url().await, &["--demo"]).await;
    let ready = async |query: &str| app.client.get(&format!("/readyz{query}")).await;
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);

    server.set_read_only(true).await;
    eventually("the server is not ready", async || ready("").await.status == 503).await;
    let problem = ready("").await.assert_problem(503);
    assert_eq!(problem["detail"], "the database takes no writes");
    assert_eq!(ready("?access=read").await.json(), json!({"status": "read-only"}));
    ready("?access=write").await.assert_problem(503);
    for _ in 0..12 {
        let sent = Instant::now();
        let refused = app.client.place_order(ALEX, &[(MILK, 1)]).await;
        refused.assert_problem(503);
        assert_eq!(refused.header("retry-after"), "1");
        assert!(sent.elapsed() < Duration::from_secs(2), "{:?}", sent.elapsed());
        app.client.get("/api/v1/orders/4").await.assert_status(200);
    }

    server.set_read_only(false).await;
    let placed = async || app.client.place_order(ALEX, &[(MILK, 1)]).await.status == 201;
    eventually("orders are placed", placed).await;
    eventually("the server is ready", async || ready("").await.status == 200).await;
    assert_eq!(ready("?access=read").await.json(), json!({"status": "ready"}));
    assert_eq!(server.db.count("orders").await, 5);
}
