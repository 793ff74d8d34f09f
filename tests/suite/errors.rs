//! Error responses: problem documents according to RFC 9457.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::{
    cases,
    fault_injection::eventually,
    harness::{app::App, case::Case, client::TestResponse, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        invalid_paths_and_methods_are_client_errors,
        invalid_bodies_are_client_errors,
        a_broken_database_is_500_without_details,
    ];
    cases.extend(
        cases![SQLITE; every_response_has_a_request_id, each_invalid_id_of_a_total_is_named, more_than_1000_totals_at_once_are_refused],
    );
    if cfg!(target_os = "linux") {
        cases.extend(cases![SQLITE; a_full_disk_is_503_and_loses_no_order]);
    }
    cases.extend(cases![SERVERS; an_unreachable_database_is_503]);
    cases
}

async fn invalid_paths_and_methods_are_client_errors(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for (method, path, status) in [
        ("GET", "/nothing/here", 404),
        ("GET", "/api/orders", 404),
        ("GET", "/api/orders/one", 400),
        ("GET", "/api/orders/1.5", 400),
        ("GET", "/api/order_total/9223372036854775808", 404),
        ("GET", "/api/order_total/-99999999999999999999", 404),
        ("GET", "/api/order_total/1%00", 400),
        ("GET", "/api/orders_total?orders=1,two", 400),
        ("GET", "/api/orders_total?orders=9223372036854775808", 400),
        ("GET", "/api/orders_total?orders=1&orders=2", 400),
        ("GET", "/api/orders_total?orders=1,,2", 400),
        ("GET", "/api/orders_total?order=1", 400),
        ("GET", "/api/orders_total", 400),
        ("POST", "/api/add_new_order", 400),
        ("GET", "/api/orders_between_dates/2024-03-22/yesterday", 400),
        ("GET", "/api/orders_between_dates/2024-02-30/2024-01-01", 400),
        ("GET", "/api/orders_between_dates/10000-01-01/2024-01-01", 400),
        ("GET", "/api/orders_between_dates/2024-03-22", 404),
    ] {
        let response = TestResponse::of(app.client.request(method, path)).await;
        response.assert_problem(status);
    }
    for (method, path, allowed) in [
        ("POST", "/api/customers", "GET, HEAD"),
        ("DELETE", "/api/orders/1", "GET, HEAD"),
        ("GET", "/api/add_new_order", "POST"),
    ] {
        let response = TestResponse::of(app.client.request(method, path)).await;
        response.assert_problem(405);
        assert_eq!(response.header("allow"), allowed, "{method} {path}");
    }
}

async fn invalid_bodies_are_client_errors(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let huge = format!(r#"{{"customer_id": 1, "items": [{}]}}"#, " ".repeat(300_000));
    let deep = "[".repeat(10_000);
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("null", 400),
        ("[]", 400),
        (r#"{"customer_id": 1}"#, 400),
        (r#"{"customer_id": "1", "items": []}"#, 400),
        (r#"{"customer_id": 1.5, "items": []}"#, 400),
        (r#"{"customer_id": NaN, "items": []}"#, 400),
        (r#"{"customer_id": 1e400, "items": []}"#, 400),
        (r#"{"customer_id": 9223372036854775808, "items": []}"#, 400),
        (r#"{"customer_id": 1, "customer_id": 2, "items": [{"id": 1, "quantity": 1}]}"#, 400),
        (r#"{"customer_id": 1, "items": [{"id": 1, "quantity": 1}], "gift": true}"#, 400),
        (r#"{"customer_id": 1, "items": [{"id": 1, "qty": 1}]}"#, 400),
        (&deep, 400),
        (&huge, 413),
    ] {
        let request = app.client.request("POST", "/api/add_new_order");
        let response = TestResponse::of(
            request.header(CONTENT_TYPE, "application/json").body(body.to_owned()),
        );
        response.await.assert_problem(status);
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let request = app.client.request("POST", "/api/add_new_order");
        let order = r#"{"customer_id": 1, "items": [{"id": 1, "quantity": 1}]}"#;
        let response = TestResponse::of(request.header(CONTENT_TYPE, content_type).body(order));
        response.await.assert_problem(415);
    }
    for (body, status) in [("{", 400), (r#"{"orders": ["1"]}"#, 400), (r#"{"ids": [1]}"#, 400)] {
        let request = app.client.request("GET", "/api/orders_total");
        let response =
            TestResponse::of(request.header(CONTENT_TYPE, "application/json").body(body));
        response.await.assert_problem(status);
    }
    assert_eq!((db.count("orders").await, db.count("order_items").await), (3, 5));
}

async fn a_broken_database_is_500_without_details(db: &TestDatabase) {
    let app = db.serve_demo().await;
    db.execute("DROP TABLE order_items").await.unwrap();
    let order = json!({"customer_id": 1, "items": [{"id": 1, "quantity": 1}]});
    for response in [
        app.client.get("/api/orders/1").await,
        app.client.get("/api/order_total/1").await,
        app.client.get("/api/orders_total?orders=1,2").await,
        app.client.get("/api/orders_between_dates/2024-03-22/2024-03-14").await,
        app.client.post("/api/add_new_order", &order).await,
    ] {
        response.assert_problem(500);
        assert!(!response.body.contains("order_items"), "{response:?}");
        let line = app.logged(&format!("{}: ", response.request_id())).await;
        assert!(line.contains("ERROR") && line.contains("order_items"), "{line}");
    }
    assert_eq!(db.count("orders").await, 3);
}

async fn every_response_has_a_request_id(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let with = |id: &'static str| app.client.request("GET", "/").header("x-request-id", id);
    assert_eq!(TestResponse::of(with("checkout-7_b.2")).await.request_id(), "checkout-7_b.2");
    app.logged("checkout-7_b.2").await;
    for odd in ["two words", "{}", ""] {
        let id = TestResponse::of(with(odd)).await.request_id();
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    }
    let (one, two) = (app.client.get("/").await, app.client.get("/").await);
    assert_ne!(one.request_id(), two.request_id());
}

async fn more_than_1000_totals_at_once_are_refused(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let ids = |n: usize| json!({"orders": vec![1; n]});
    let request_totals =
        |n| TestResponse::of(app.client.request("GET", "/api/orders_total").json(&ids(n)));
    assert_eq!(request_totals(1000).await.json().as_array().map(Vec::len), Some(1000));
    request_totals(1001).await.assert_field_errors(400, &["/orders"]);
    let ids = vec!["1"; 1001].join(",");
    let path = format!("/api/orders_total?orders={ids}");
    app.client.get(&path).await.assert_field_errors(400, &["/orders"]);
}

async fn each_invalid_id_of_a_total_is_named(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let request_totals =
        |body: Value| TestResponse::of(app.client.request("GET", "/api/orders_total").json(&body));
    for (ids, pointers) in [
        (json!(["1", "x"]), &["/orders/0", "/orders/1"][..]),
        (
            json!([1, "2", 3, null, 4.5, [5], {"id": 6}]),
            &["/orders/1", "/orders/3", "/orders/4", "/orders/5", "/orders/6"],
        ),
        (json!({"1": 2}), &["/orders"]),
        (json!("1"), &["/orders"]),
    ] {
        let response = request_totals(json!({"orders": ids})).await;
        response.assert_field_errors(400, pointers);
    }
    assert_eq!(request_totals(json!({"orders": [1, 2]})).await.json(), json!([30, 12]));
}

async fn an_unreachable_database_is_503(db: &TestDatabase) {
    let (proxy, url) = db.behind_proxy().await;
    let app = App::start(&url, &["--demo", "--acquire-timeout", "1"]).await;
    app.client.get("/api/order_total/1").await.assert_status(200);

    proxy.disconnect();
    let order = json!({"customer_id": 1, "items": [{"id": 1, "quantity": 1}]});
    for response in [
        app.client.get("/api/customers").await,
        app.client.get("/api/orders/1").await,
        app.client.get("/api/order_total/1").await,
        app.client.get("/api/orders_total?orders=1,2").await,
        app.client.post("/api/add_new_order", &order).await,
    ] {
        response.assert_problem(503);
        assert_eq!(response.header("retry-after"), "1");
        let line = app.logged(&format!("{}: ", response.request_id())).await;
        assert!(!line.contains("timed out"), "{line}");
    }
    app.client.get("/").await.assert_status(200);

    proxy.reconnect().await;
    let restored = async || app.client.get("/api/order_total/1").await.status == 200;
    eventually("the database is reached again", restored).await;
    app.client.post("/api/add_new_order", &order).await.assert_status(201);
    assert_eq!(db.count("orders").await, 4);
}

/// SQLite rolls a transaction back by itself when it cannot write, without telling the driver.
async fn a_full_disk_is_503_and_loses_no_order(db: &TestDatabase) {
    let app = db.serve_demo().await;
    app.limit_files_to("250000");
    let mut placed = 0;
    let mut refused = 0;
    for n in 0..80 {
        if n == 60 {
            app.limit_files_to("unlimited");
        }
        let response = app.client.place_order(1, &[(1, 1), (2, 2)]).await;
        if response.status == 201 {
            placed += 1;
        } else {
            response.assert_problem(503);
            app.client.get("/api/order_total/1").await.assert_status(200);
            refused += 1;
        }
    }
    assert!(refused > 0 && placed >= 20, "{refused} refused, {placed} placed");
    drop(app);
    assert_eq!(db.count("orders").await, 3 + placed);
    assert_eq!(db.count("order_items").await, 5 + 2 * placed);
}
