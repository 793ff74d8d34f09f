//! Features for operators: probes, metrics, limits, logs, HTTPS.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
    time::sleep,
};

use crate::{
    cases,
    fault_injection::eventually,
    harness::{
        app::App,
        case::Case,
        client::{ALEX, BREAD, MILK, TestResponse},
        database::{MARKETSVC, TestDatabase, run, stderr},
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        readiness_requires_the_current_schema,
        metrics_are_counted_by_route,
        a_stream_over_the_row_limit_is_cut_off,
    ];
    cases.extend(cases![SQLITE;
        too_many_requests_from_one_address_are_429,
        each_limit_has_a_flag,
        slow_requests_and_excess_requests_are_503,
        a_second_signal_stops_the_server_at_once,
        responses_have_security_headers,
        the_log_can_be_json,
        the_server_speaks_https,
        the_version_names_the_commit,
    ]);
    cases
}

async fn readiness_requires_the_current_schema(db: &TestDatabase) {
    let app = db.serve_demo().await;
    assert_eq!(app.client.get_json("/readyz").await, json!({"status": "ready"}));
    let address = app.address.clone();
    let check = ["healthcheck", "--listen", &address];
    assert_eq!(db.run(&check).await.status.code(), Some(0));

    let undo = "DELETE FROM seaql_migrations WHERE version LIKE '%api_keys%'";
    db.execute(undo).await.unwrap();
    let unready = async || app.client.get("/readyz").await.status == 503;
    eventually("the server is not ready", unready).await;
    let response = app.client.get("/readyz").await;
    assert_eq!(response.assert_problem(503)["detail"], "the database's schema is behind");
    assert_eq!(response.header("retry-after"), "1");
    let output = db.run(&check).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("schema is behind"), "{}", stderr(&output));
    assert_eq!(app.client.get_json("/livez").await["status"], "alive");
    drop(app);
    assert_eq!(db.run(&check).await.status.code(), Some(1));
}

async fn metrics_are_counted_by_route(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for id in 1..=3 {
        app.client.get_json(&format!("/api/v1/orders/{id}")).await;
    }
    app.client.get("/api/v1/orders/99").await.assert_problem(404);
    app.client.get("/no/such/path").await.assert_problem(404);
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
    app.client.place_order(ALEX, &[(99, 1)]).await.assert_problem(400);
    for _ in 0..2 {
        let order = json!({"customer_id": ALEX, "items": [{"id": BREAD, "quantity": 1}]});
        let request = app.client.request("POST", "/api/v1/orders").json(&order);
        TestResponse::of(request.header("idempotency-key", "once")).await.assert_status(201);
    }
    let metrics = app.client.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
    let expect = |line: &str| {
        assert!(metrics.body.lines().any(|found| found == line), "{line}\n{}", metrics.body);
    };
    let of = "marketsvc_http_request_duration_seconds_count";
    expect(&format!(r#"{of}{{method="GET",route="/api/v1/orders/{{id}}",status="200"}} 3"#));
    expect(&format!(r#"{of}{{method="GET",route="/api/v1/orders/{{id}}",status="404"}} 1"#));
    expect(&format!(r#"{of}{{method="GET",route="unknown",status="404"}} 1"#));
    expect("marketsvc_orders_placed_total 2");
    expect(r#"marketsvc_http_requests_in_flight{protocol="http"} 0"#);
    assert!(!metrics.body.contains("/no/such/path"));
    let metric = |name: &str| -> f64 {
        let lines = metrics.body.lines().filter(|line| line.starts_with(name));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    };
    assert!(metric("marketsvc_db_statements_total") > 10.0, "{}", metrics.body);
    assert!(metric("marketsvc_db_connections_idle") >= 1.0, "{}", metrics.body);
    assert!(metric("marketsvc_db_waiting") < 1.0, "{}", metrics.body);
}

async fn a_stream_over_the_row_limit_is_cut_off(db: &TestDatabase) {
    db.generate(1200, 1, 0, 1).await;
    let app = db.serve(&["--max-stream-rows", "1100"]).await;
    for path in ["/api/customers", "/api/v1/customers/export"] {
        let response = app.client.request("GET", path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        response.text().await.expect_err("the response should be incomplete");
        app.logged_together(&[&id, "was cut off"]).await;
    }
    let whole = db.serve(&["--max-stream-rows", "1200"]).await;
    let customers = whole.client.get_json("/api/customers").await;
    assert_eq!(customers.as_array().unwrap().len(), 1200);
}

async fn too_many_requests_from_one_address_are_429(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let app = db.serve(&["--rate-per-address", "5"]).await;
    let mut refused = None;
    for _ in 0..30 {
        let response = app.client.get("/").await;
        if response.status != 200 {
            refused = Some(response);
        }
    }
    let refused = refused.expect("30 requests at once are more than 10");
    refused.assert_problem(429);
    assert_eq!(refused.header("retry-after"), "1");
    sleep(Duration::from_millis(1100)).await;
    app.client.get("/").await.assert_status(200);
}

async fn each_limit_has_a_flag(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let limits = ["--max-page-size", "10", "--max-ids", "2", "--max-body-bytes", "100"];
    let app = db.serve(&limits).await;
    app.client.get("/api/v1/items?limit=10").await.assert_status(200);
    app.client.get("/api/v1/items").await.assert_status(200);
    let page = app.client.get("/api/v1/items?limit=11").await;
    let problem = page.assert_problem(400);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("limit") && detail.contains("10"), "{detail}");
    app.client.get("/api/orders_total?orders=1,2").await.assert_status(200);
    app.client.get("/api/orders_total?orders=1,2,3").await.assert_field_errors(400, &["/orders"]);
    let body = json!({"name": "x".repeat(100), "price": 1});
    app.client.post("/api/v1/items", &body).await.assert_problem(413);
    for wrong in [
        ["--max-page-size", "101"],
        ["--max-page-bytes", "1048575"],
        ["--max-ids", "0"],
        ["--body-timeout", "0"],
        ["--write-timeout", "0"],
        ["--tls-handshake-timeout", "0"],
        ["--max-http-connections", "0"],
    ] {
        let output = db.run(&["serve", wrong[0], wrong[1]]).await;
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

/// Another process locks the database file, so that an order waits.
async fn slow_requests_and_excess_requests_are_503(db: &TestDatabase) {
    let limits = ["--demo", "--max-concurrent-requests", "1", "--request-timeout", "1"];
    let app = db.serve(&limits).await;
    let other = db.connect().await;
    sea_orm::ConnectionTrait::execute_unprepared(&other, "BEGIN IMMEDIATE").await.unwrap();
    let client = app.client.clone();
    let waiting = tokio::spawn(async move { client.place_order(ALEX, &[(MILK, 1)]).await });
    while !app.client.get("/metrics").await.body.contains(r#"in_flight{protocol="http"} 1"#) {
        sleep(Duration::from_millis(5)).await;
    }
    let refused = app.client.get("/api/customers").await;
    let problem = refused.assert_problem(503);
    assert_eq!(problem["detail"], "too many requests at the same time; try again");
    assert_eq!(refused.header("retry-after"), "1");
    app.client.get("/livez").await.assert_status(200);
    app.client.get("/readyz").await.assert_status(200);
    let late = waiting.await.unwrap();
    let detail = late.assert_problem(503)["detail"].clone();
    assert!(detail.as_str().unwrap().contains("may have been carried out"), "{detail}");
    app.client.get("/api/customers").await.assert_status(200);
    sea_orm::ConnectionTrait::execute_unprepared(&other, "ROLLBACK").await.unwrap();
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
}

async fn a_second_signal_stops_the_server_at_once(db: &TestDatabase) {
    db.generate(100_000, 1, 0, 1).await;
    let mut app = db.serve(&["--shutdown-timeout", "300"]).await;
    let mut stalled = TcpStream::connect(&app.address).await.unwrap();
    let request = b"GET /api/customers HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stalled.write_all(request).await.unwrap();
    stalled.read_exact(&mut [0; 1000]).await.unwrap();
    app.stop();
    app.logged("stopping: not ready").await;
    sleep(Duration::from_millis(500)).await;
    assert!(app.is_running(), "the server should wait for the reader");
    app.stop_at_once();
    assert_eq!(app.exit_code().await, Some(0));
    app.logged("stopping at once").await;
}

async fn responses_have_security_headers(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let app = db.serve(&[]).await;
    for path in ["/", "/no/such/path", "/docs/", "/api/customers"] {
        let response = app.client.get(path).await;
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(response.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(response.header("referrer-policy"), "no-referrer", "{path}");
        assert!(response.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(response.header("strict-transport-security"), "", "{path}");
    }
}

async fn the_log_can_be_json(db: &TestDatabase) {
    let app = db.serve(&["--demo", "--log-format", "json"]).await;
    let id = app.client.get("/api/order_total/1").await.request_id();
    app.logged(&id).await;
    let log = app.log();
    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        let time = line["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000000Z".len());
        assert!(["DEBUG", "INFO", "WARN"].contains(&line["level"].as_str().unwrap()), "{line}");
    }
    let access = lines.iter().find(|line| line["target"] == "access").unwrap();
    let message = access["message"].as_str().unwrap();
    assert!(message.contains("\"GET /api/order_total/1 HTTP/1.1\" 200"), "{message}");
    assert!(message.contains(&id), "{message}");
}

async fn the_server_speaks_https(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let app = db.serve(&["--tls-cert", text(&cert), "--tls-key", text(&key)]).await;
    let port = app.address.rsplit_once(':').unwrap().1;
    let url = format!("https://localhost:{port}/livez");
    let response = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--ipv4", "--cacert", text(&cert), &url])
        .output()
        .await
        .unwrap();
    let response = String::from_utf8(response.stdout).unwrap();
    assert!(response.contains("\"status\":\"alive\""), "{response}");
    assert!(response.contains("strict-transport-security: max-age="), "{response}");

    for (args, expected) in [
        (["--tls-cert", text(&key), "--tls-key", text(&key)], "certificate"),
        (["--tls-cert", text(&cert), "--tls-key", "/no/such/file"], "cannot read the private key"),
    ] {
        let output = db.run(&[&["serve", "--listen", "127.0.0.1:0"], &args[..]].concat()).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    assert_eq!(db.run(&["serve", "--tls-cert", text(&cert)]).await.status.code(), Some(2));
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn the_version_names_the_commit(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let output = run(MARKETSVC, "", &["--version"]).await;
    let version = String::from_utf8(output.stdout).unwrap();
    let app: App = db.serve(&[]).await;
    let alive = app.client.get_json("/livez").await;
    let expected = format!(
        "marketsvc {} ({})\n",
        alive["version"].as_str().unwrap(),
        alive["commit"].as_str().unwrap()
    );
    assert_eq!(version, expected);
    assert!(alive["commit"].as_str().unwrap().len() >= 7);
}
