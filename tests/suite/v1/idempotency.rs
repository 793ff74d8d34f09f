//! Repeated requests with an `Idempotency-Key`.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    cases,
    harness::{app::App, case::Case, client::TestResponse, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![
        a_repeated_request_gets_the_same_response,
        a_key_used_for_another_request_is_refused,
        concurrent_repeats_place_one_order,
        concurrent_repeats_with_an_expired_key_place_one_order,
        the_largest_order_can_be_repeated,
        a_refused_request_does_not_use_up_its_key,
        expired_keys_are_purged_and_can_be_used_again,
    ]
}

fn order(quantity: i64) -> Value {
    json!({"customer_id": 1, "items": [{"id": 1, "quantity": quantity}]})
}

async fn post(app: &App, path: &str, key: &str, body: &Value) -> TestResponse {
    TestResponse::of(app.client.request("POST", path).header("idempotency-key", key).json(body))
        .await
}

async fn a_repeated_request_gets_the_same_response(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for (n, (path, body, table)) in [
        ("/api/v1/orders", order(1), "orders"),
        ("/api/add_new_order", order(2), "orders"),
        ("/api/v1/items", json!({"name": "Tea", "price": 2.5}), "item"),
        (
            "/api/v1/customers",
            json!({"name": "Dana", "address": {"flat_number": 1, "post_code": 2}}),
            "customer",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let before = db.count(table).await;
        let first = post(&app, path, &format!("key-{n}"), &body).await;
        first.assert_status(201);
        assert_eq!(first.header("idempotency-replayed"), "");
        for _ in 0..3 {
            let again = post(&app, path, &format!("key-{n}"), &body).await;
            again.assert_status(201);
            assert_eq!(again.header("idempotency-replayed"), "true");
            assert_eq!(again.body, first.body);
            for header in ["location", "etag", "content-type"] {
                assert_eq!(again.header(header), first.header(header));
            }
        }
        assert_eq!(db.count(table).await, before + 1);
    }
    let other = post(&app, "/api/v1/orders", "key-9", &order(1)).await;
    assert_eq!(other.json()["id"], 6);
}

async fn a_key_used_for_another_request_is_refused(db: &TestDatabase) {
    let app = db.serve_demo().await;
    post(&app, "/api/v1/orders", "key", &order(1)).await.assert_status(201);
    post(&app, "/api/v1/orders", "key", &order(2)).await.assert_problem(422);
    post(&app, "/api/v1/items", "key", &json!({"name": "x", "price": 1})).await.assert_problem(422);
    for key in ["", "two words", &"x".repeat(256), "k\u{e9}y"] {
        let request = app.client.request("POST", "/api/v1/orders").json(&order(1));
        let key = reqwest::header::HeaderValue::from_bytes(key.as_bytes()).unwrap();
        TestResponse::of(request.header("idempotency-key", key)).await.assert_problem(400);
    }
    post(&app, "/api/add_new_order", "key", &order(1)).await.assert_problem(422);
    let twice = app.client.request("POST", "/api/v1/orders").header("idempotency-key", "a");
    TestResponse::of(twice.header("idempotency-key", "b").json(&order(1)))
        .await
        .assert_problem(400);
    assert_eq!(db.count("orders").await, 4);
}

async fn concurrent_repeats_place_one_order(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let order_of_3 = order(3);
    let placing = (0..32).map(|_| post(&app, "/api/v1/orders", "once", &order_of_3));
    let responses = join_all(placing).await;
    for response in &responses {
        assert_eq!(response.assert_status(201).body, responses[0].body);
    }
    let replayed = |response: &&TestResponse| response.header("idempotency-replayed") == "true";
    assert_eq!(responses.iter().filter(replayed).count(), 31);
    assert_eq!((db.count("orders").await, db.count("order_items").await), (4, 6));
    post(&app, "/api/v1/orders", "once", &order(4)).await.assert_problem(422);
}

async fn concurrent_repeats_with_an_expired_key_place_one_order(db: &TestDatabase) {
    let app = db.serve_demo().await;
    post(&app, "/api/v1/orders", "key", &order(1)).await.assert_status(201);
    for round in 1..=5 {
        let past = "UPDATE idempotency_keys SET expires_at = '2020-01-01 00:00:00'";
        db.execute(past).await.unwrap();
        let body = order(round);
        let responses = join_all((0..16).map(|_| post(&app, "/api/v1/orders", "key", &body))).await;
        for response in &responses {
            assert_eq!(response.assert_status(201).body, responses[0].body);
        }
        assert_eq!(db.count("orders").await, 4 + round);
    }
}

async fn the_largest_order_can_be_repeated(db: &TestDatabase) {
    db.generate(1, 100, 0, 1).await;
    db.execute(&format!("UPDATE item SET name = '{}'", "🦀".repeat(200))).await.unwrap();
    let app = db.serve(&[]).await;
    let items: Vec<_> = (1..=100).map(|id| json!({"id": id, "quantity": 1})).collect();
    let order = json!({"customer_id": 1, "items": items});
    let first = post(&app, "/api/v1/orders", "key", &order).await;
    first.assert_status(201);
    assert_eq!(post(&app, "/api/v1/orders", "key", &order).await.body, first.body);
    assert!(first.body.len() > 80_000);
}

async fn a_refused_request_does_not_use_up_its_key(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let too_early = json!({"customer_id": 4, "items": [{"id": 1, "quantity": 1}]});
    post(&app, "/api/v1/orders", "key", &too_early).await.assert_problem(422);
    let dana = json!({"name": "Dana", "address": {"flat_number": 1, "post_code": 2}});
    app.client.post("/api/v1/customers", &dana).await.assert_status(201);
    let placed = post(&app, "/api/v1/orders", "key", &too_early).await;
    placed.assert_status(201);
    assert_eq!(placed.header("idempotency-replayed"), "");
}

async fn expired_keys_are_purged_and_can_be_used_again(db: &TestDatabase) {
    let app = db.serve(&["--demo", "--idempotency-ttl", "1"]).await;
    post(&app, "/api/v1/orders", "key", &order(1)).await.assert_status(201);
    let expired = async |app: &App| {
        for _ in 0..200 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            if db.count("idempotency_keys").await == 0 {
                return;
            }
        }
        panic!("the key is still there: {:#?}", app.log());
    };
    expired(&app).await;
    let again = post(&app, "/api/v1/orders", "key", &order(2)).await;
    again.assert_status(201);
    assert_eq!(again.header("idempotency-replayed"), "");
    assert_eq!(db.count("orders").await, 5);
}
