//! Reads from another database than writes, and pools for both.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    auth::create_api_key,
    cases,
    fault_injection::eventually,
    harness::{
        app::App,
        backend::Backend,
        case::Case,
        client::{ALEX, Client, MILK, TestResponse},
        database::{TestDatabase, stderr},
        openapi::Operation,
        server::Server,
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![SERVERS;
        each_read_is_of_the_replica_unless_it_must_be_consistent,
        api_keys_and_writes_are_the_primarys,
        readiness_includes_the_replica,
        commits_that_hang_do_not_block_reads,
    ];
    cases.extend(cases![
        any_other_consistency_is_refused,
        the_database_to_read_from_must_be_a_servers_of_the_same_kind,
    ]);
    cases
}

/// Starts a server on the demo data that reads from another database, `replica`.
async fn serve(db: &TestDatabase, replica: &TestDatabase, args: &[&str]) -> App {
    let args = [&["--demo", "--read-database-url", &replica.url], args].concat();
    db.serve(&args).await
}

/// Creates a database with the schema and no rows: a replica that is far behind.
async fn empty_replica(backend: Backend) -> TestDatabase {
    let replica = TestDatabase::create(backend).await;
    replica.run_ok(&["migrate", "up"]).await;
    replica
}

async fn strong(client: &Client, path: &str) -> TestResponse {
    TestResponse::of(client.request("GET", path).header("consistency", "strong")).await
}

async fn each_read_is_of_the_replica_unless_it_must_be_consistent(db: &TestDatabase) {
    let replica = empty_replica(db.backend).await;
    let app = serve(db, &replica, &[]).await;
    let only_primary = db.serve(&[]).await;
    let mut reads = 0;
    for operation in Operation::all(&app.client).await {
        let query = match operation.path.as_str() {
            "/" | "/livez" | "/readyz" | "/metrics" => continue,
            "/api/orders_total" => "?orders=1,2",
            "/api/v1/reports/revenue" => "?from=2024-03-01&to=2024-04-01&by=day",
            "/api/v1/reports/best-sellers" => "?from=2024-03-01&to=2024-04-01",
            _ => "",
        };
        if operation.method != "GET" {
            continue;
        }
        let path = format!("{}{query}", operation.concrete_path());
        let (weak, strong) = tokio::join!(app.client.get(&path), strong(&app.client, &path));
        let expected = only_primary.client.get(&path).await;
        expected.assert_status(200);
        assert_eq!((strong.status, &strong.body), (expected.status, &expected.body), "{path}");
        assert_ne!((weak.status, weak.body), (expected.status, expected.body), "{path}");
        reads += 1;
    }
    assert!(reads > 12, "{reads}");
    replica.remove().await;
}

async fn api_keys_and_writes_are_the_primarys(db: &TestDatabase) {
    let replica = empty_replica(db.backend).await;
    db.run_ok(&["migrate", "up"]).await;
    let key = create_api_key(db, "writer").await;
    let app = serve(db, &replica, &["--auth", "required"]).await;
    let send = async |method: &str, path: &str| {
        let request = app.client.request(method, path).bearer_auth(&key);
        let order = json!({"customer_id": ALEX, "items": [{"id": MILK, "quantity": 1}]});
        let request = if method == "POST" { request.json(&order) } else { request };
        TestResponse::of(request.header("idempotency-key", "one")).await
    };
    let placed = send("POST", "/api/v1/orders").await;
    placed.assert_status(201);
    let again = send("POST", "/api/v1/orders").await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (placed.status, "true"));
    send("GET", "/api/v1/orders/4").await.assert_problem(404);
    assert_eq!((db.count("orders").await, replica.count("orders").await), (4, 0));
    replica.remove().await;
}

async fn readiness_includes_the_replica(db: &TestDatabase) {
    let replica = TestDatabase::create(db.backend).await;
    let (proxy, url) = replica.behind_proxy().await;
    let app = db.serve(&["--demo", "--read-database-url", &url]).await;
    let detail = async || app.client.get("/readyz").await.assert_problem(503)["detail"].clone();
    assert_eq!(detail().await, "the schema of the database to read from is behind");
    replica.run_ok(&["migrate", "up"]).await;
    let is_ready = async || app.client.get("/readyz").await.status == 200;
    eventually("the server is ready", is_ready).await;
    app.client.get("/api/v1/orders").await.assert_status(200);
    proxy.disconnect();
    eventually("the server is not ready", async || !is_ready().await).await;
    assert_eq!(detail().await, "the database to read from is unavailable");
    app.client.get("/api/v1/orders").await.assert_problem(503);
    assert_eq!(strong(&app.client, "/api/v1/orders").await.json()["data"][2]["id"], 3);
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
    proxy.reconnect().await;
    eventually("the server is ready", is_ready).await;
    replica.remove().await;
}

/// On PostgreSQL commits wait for an absent standby, on MySQL for a lock.
async fn commits_that_hang_do_not_block_reads(db: &TestDatabase) {
    let Some(server) = Server::start(db.backend).await else {
        println!("skipped: no program to start a separate database server");
        return;
    };
    let app = App::start(&server.db.url, &["--demo", "--max-connections", "4"]).await;
    let holder = server.db.connect().await;
    let set_hanging = async |hang: bool| match (db.backend, hang) {
        (Backend::Postgres, _) => {
            let name = if hang { "absent" } else { "" };
            let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'");
            server.db.execute(&set).await.unwrap();
            server.db.execute("SELECT pg_reload_conf()").await.unwrap();
        }
        (_, true) => execute(&holder, "FLUSH TABLES WITH READ LOCK").await,
        (_, false) => execute(&holder, "UNLOCK TABLES").await,
    };
    set_hanging(true).await;
    let orders =
        async { join_all((0..12).map(|_| app.client.place_order(ALEX, &[(MILK, 1)]))).await };
    let reads = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let started = Instant::now();
        for _ in 0..20 {
            app.client.get("/api/v1/orders/1").await.assert_status(200);
        }
        let took = started.elapsed();
        set_hanging(false).await;
        took
    };
    let (orders, took) = tokio::join!(orders, reads);
    assert!(took < Duration::from_secs(2), "{took:?}");
    for order in orders {
        order.assert_status(201);
    }
}

async fn execute(connection: &impl sea_orm::ConnectionTrait, sql: &str) {
    connection.execute_unprepared(sql).await.expect(sql);
}

async fn any_other_consistency_is_refused(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for value in ["", "Strong", "weak", "strong, strong"] {
        let request = app.client.request("GET", "/api/v1/orders").header("consistency", value);
        let problem = TestResponse::of(request).await.assert_problem(400);
        assert_eq!(problem["detail"], "Consistency must be strong or eventual");
    }
    for value in ["strong", "eventual"] {
        let request = app.client.request("GET", "/api/v1/orders").header("consistency", value);
        TestResponse::of(request).await.assert_status(200);
    }
}

async fn the_database_to_read_from_must_be_a_servers_of_the_same_kind(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let other = match db.backend {
        Backend::Mysql => "postgres://joe:s3cret@127.0.0.1/shop",
        _ => "mysql://joe:s3cret@127.0.0.1/shop",
    };
    for url in [other, "sqlite://other.db", "nonsense"] {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--read-database-url", url];
        let output = db.run(&serve).await;
        assert_eq!(output.status.code(), Some(1));
        let message = stderr(&output);
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }
}
