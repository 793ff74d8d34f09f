//! Responses of the tutorial's routes.

use serde_json::{Value, json};

use crate::{
    cases,
    harness::{
        app::App,
        case::Case,
        client::{ALEX, BREAD, KIT_KAT, TestResponse},
        database::TestDatabase,
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        every_tutorial_route_answers_as_the_tutorial_shows,
        placing_an_order_returns_the_whole_order,
        get_routes_accept_head,
        head_of_a_stream_reads_only_the_first_page,
        order_ids_for_totals_can_be_given_in_the_query,
        a_date_means_midnight_and_offsets_are_honoured,
        stored_orders_survive_a_restart,
    ];
    cases.extend(cases![SQLITE; the_time_zone_of_the_server_does_not_change_responses]);
    cases
}

async fn every_tutorial_route_answers_as_the_tutorial_shows(db: &TestDatabase) {
    let app = db.serve_demo().await;
    check_golden(&app).await;
}

async fn check_golden(app: &App) {
    let golden: Vec<Value> = serde_json::from_str(include_str!("golden.json")).unwrap();
    assert!(!golden.is_empty());
    for expected in golden {
        let (method, path) =
            (expected["method"].as_str().unwrap(), expected["path"].as_str().unwrap());
        let mut request = app.client.request(method, path);
        if !expected["body"].is_null() {
            request = request.json(&expected["body"]);
        }
        let response = TestResponse::of(request).await;
        assert_eq!(response.status.as_u16(), expected["status"], "{}", expected["name"]);
        if !expected["json"].is_null() {
            assert!(
                equal_json(&response.json(), &expected["json"]),
                "{}: {response:?}",
                expected["name"]
            );
            assert_eq!(response.header("content-type"), "application/json");
        }
    }
}

/// Compares JSON values; `30` and `30.0` are equal.
fn equal_json(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal_json(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal_json(a, b)))
        }
        _ => a == b,
    }
}

async fn placing_an_order_returns_the_whole_order(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let response = app.client.place_order(ALEX, &[(BREAD, 6), (KIT_KAT, 4)]).await;
    response.assert_status(201);
    let mut order = response.json();
    let time = order["order_time"].take();
    let expected = json!({
        "id": 4, "customer_id": 1, "order_time": null,
        "items": [
            {"item_id": 2, "name": "Kit Kat", "quantity": 4, "unit_price": 1, "item_total": 4},
            {"item_id": 3, "name": "Bread", "quantity": 6, "unit_price": 10.5, "item_total": 63},
        ],
        "total": 67,
    });
    assert_eq!(order, expected);
    let stored = app.client.orders_of(ALEX).await.pop().unwrap();
    let expected = json!({
        "order_id": 4, "customer": {"name": "Alex"}, "order_time": time,
        "items": [
            {"name": "Kit Kat", "price": 1, "quantity": 4, "total": 4},
            {"name": "Bread", "price": 10.5, "quantity": 6, "total": 63},
        ],
    });
    assert_eq!(stored, expected);
    assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
}

async fn get_routes_accept_head(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for path in ["/", "/api/customers", "/api/orders/1", "/api/order_total/1"] {
        let response = TestResponse::of(app.client.request("HEAD", path)).await;
        response.assert_status(200);
        assert_eq!(
            (response.body.as_str(), response.header("content-type")),
            ("", "application/json")
        );
    }
}

async fn head_of_a_stream_reads_only_the_first_page(db: &TestDatabase) {
    db.generate(1200, 1, 0, 1).await;
    let app = db.serve(&[]).await;
    assert_eq!(app.statements_of("/api/customers").await.len(), 3);
    let before = app.mark().await;
    let response = TestResponse::of(app.client.request("HEAD", "/api/customers")).await;
    response.assert_status(200);
    assert_eq!(app.statements_until(before, &response.request_id()).await.len(), 1);
}

async fn order_ids_for_totals_can_be_given_in_the_query(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for (query, totals) in [
        ("1,2", json!([30, 12])),
        ("2,99,1,2", json!([12, null, 30, 12])),
        ("3", json!([0])),
        ("", json!([])),
    ] {
        let path = format!("/api/orders_total?orders={query}");
        assert_eq!(app.client.get_json(&path).await, totals, "{query}");
    }
}

async fn a_date_means_midnight_and_offsets_are_honoured(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for (before, after, found) in [
        ("2024-03-20", "2024-03-18", &[1][..]),
        ("2024-03-20T11:00:00Z", "2024-03-18T10:30:00Z", &[1, 2]),
        ("2024-03-20T10:59:59.999999Z", "2024-03-18T10:30:00Z", &[1]),
        ("2024-03-20T11:00:00Z", "2024-03-18T10:30:00.000001Z", &[2]),
        ("2024-03-20T16:30:00+05:30", "2024-03-18T05:30:00-05:00", &[1, 2]),
        ("2024-03-20T11:00", "2024-03-18T10:30", &[1, 2]),
        ("9999-12-31", "0001-01-01", &[1, 2, 3]),
        ("2024-03-01", "2024-03-31", &[]),
    ] {
        let path = format!("/api/orders_between_dates/{before}/{after}");
        let orders = app.client.get_json(&path).await;
        let ids: Vec<_> =
            orders.as_array().unwrap().iter().map(|o| o["order_id"].clone()).collect();
        assert_eq!(ids, found, "{path}");
    }
}

async fn stored_orders_survive_a_restart(db: &TestDatabase) {
    let app = db.serve_demo().await;
    app.client.place_order(ALEX, &[(BREAD, 1)]).await.assert_status(201);
    let before = app.client.orders_of(ALEX).await;
    drop(app);
    let app = db.serve_demo().await;
    assert_eq!(app.client.orders_of(ALEX).await, before);
    assert_eq!(before.len(), 2);
}

async fn the_time_zone_of_the_server_does_not_change_responses(db: &TestDatabase) {
    let app = App::start_with(&db.url, &["--demo"], &[("TZ", "Asia/Kolkata")]).await;
    check_golden(&app).await;
}
