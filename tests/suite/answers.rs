//! The tutorial's answers, word for word.

use serde_json::{Value, json};

use crate::{
    cases,
    harness::{
        app::App,
        case::Case,
        client::{ALEX, Answer, BREAD, KIT_KAT},
        database::TestDatabase,
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        the_tutorials_answers_are_given,
        a_placed_order_is_answered_whole,
        what_can_be_read_can_be_asked_about_with_head,
        head_reads_no_more_than_the_start,
        totals_can_be_asked_for_in_the_query,
        a_date_means_its_midnight_and_an_offset_counts,
        what_is_stored_outlives_the_server,
    ];
    cases.extend(cases![SQLITE; the_servers_time_zone_changes_nothing]);
    cases
}

async fn the_tutorials_answers_are_given(db: &TestDatabase) {
    let app = db.serve_demo().await;
    check_golden(&app).await;
}

async fn check_golden(app: &App) {
    let golden: Vec<Value> = serde_json::from_str(include_str!("golden.json")).unwrap();
    assert_eq!(golden.len(), 12);
    for expected in golden {
        let (method, path) =
            (expected["method"].as_str().unwrap(), expected["path"].as_str().unwrap());
        let mut request = app.client.request(method, path);
        if !expected["body"].is_null() {
            request = request.json(&expected["body"]);
        }
        let answer = Answer::of(request).await;
        assert_eq!(answer.status.as_u16(), expected["status"], "{}", expected["name"]);
        if !expected["json"].is_null() {
            assert!(same(&answer.json(), &expected["json"]), "{}: {answer:?}", expected["name"]);
            assert_eq!(answer.header("content-type"), "application/json");
        }
    }
}

/// `30` and `30.0` are the same number in JSON.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

async fn a_placed_order_is_answered_whole(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let answer = app.client.place_order(ALEX, &[(BREAD, 6), (KIT_KAT, 4)]).await;
    answer.assert_status(201);
    let mut order = answer.json();
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

async fn what_can_be_read_can_be_asked_about_with_head(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for path in ["/", "/api/customers", "/api/orders/1", "/api/order_total/1"] {
        let answer = Answer::of(app.client.request("HEAD", path)).await;
        answer.assert_status(200);
        assert_eq!((answer.body.as_str(), answer.header("content-type")), ("", "application/json"));
    }
}

async fn head_reads_no_more_than_the_start(db: &TestDatabase) {
    db.generate(1200, 1, 0, 1).await;
    let app = db.serve(&[]).await;
    assert_eq!(app.statements_of("/api/customers").await.len(), 3);
    let before = app.mark().await;
    let answer = Answer::of(app.client.request("HEAD", "/api/customers")).await;
    answer.assert_status(200);
    assert_eq!(app.statements_until(before, &answer.request_id()).await.len(), 1);
}

async fn totals_can_be_asked_for_in_the_query(db: &TestDatabase) {
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

async fn a_date_means_its_midnight_and_an_offset_counts(db: &TestDatabase) {
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

async fn what_is_stored_outlives_the_server(db: &TestDatabase) {
    let app = db.serve_demo().await;
    app.client.place_order(ALEX, &[(BREAD, 1)]).await.assert_status(201);
    let before = app.client.orders_of(ALEX).await;
    drop(app);
    let app = db.serve_demo().await;
    assert_eq!(app.client.orders_of(ALEX).await, before);
    assert_eq!(before.len(), 2);
}

async fn the_servers_time_zone_changes_nothing(db: &TestDatabase) {
    let app = App::start_with(&db.url, &["--demo"], &[("TZ", "Asia/Kolkata")]).await;
    check_golden(&app).await;
}
