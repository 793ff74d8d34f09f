//! Invalid request bodies: all errors at once, each with a JSON pointer.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::{
    cases,
    harness::{case::Case, client::TestResponse, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![
        every_error_is_reported_with_its_pointer,
        valid_values_are_returned_unchanged,
        invalid_json_is_refused
    ]
}

async fn every_error_is_reported_with_its_pointer(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let long = "x".repeat(201);
    let address = json!({"flat_number": 1, "post_code": 2});
    let cases: &[(&str, &str, Value, &[&str])] = &[
        ("POST", "customers", json!({}), &["/name", "/address"]),
        ("POST", "customers", json!([]), &[""]),
        ("POST", "customers", json!({"name": long, "address": address}), &["/name"]),
        ("POST", "customers", json!({"name": "a\u{0}b", "address": address}), &["/name"]),
        ("POST", "customers", json!({"name": " \t\u{a0}", "address": address}), &["/name"]),
        ("POST", "customers", json!({"name": "Al ", "address": address}), &["/name"]),
        ("POST", "customers", json!({"name": 1, "address": 2}), &["/name", "/address"]),
        (
            "POST",
            "customers",
            json!({"name": "", "address": {"flat_number": -1, "post_code": 2_147_483_648_i64, "a/b~c": 1}, "vip": true}),
            &["/name", "/address/flat_number", "/address/post_code", "/address/a~1b~0c", "/vip"],
        ),
        ("POST", "items", json!({"name": "x", "price": 10.555}), &["/price"]),
        ("POST", "items", json!({"name": "x", "price": -1}), &["/price"]),
        ("POST", "items", json!({"name": "x", "price": 1e13}), &["/price"]),
        ("POST", "items", json!({"name": "x", "price": "1"}), &["/price"]),
        (
            "POST",
            "items",
            json!({"name": null, "price": null, "description": 1}),
            &["/name", "/price", "/description"],
        ),
        (
            "POST",
            "items",
            json!({"name": "x", "price": 1, "description": "y".repeat(2001)}),
            &["/description"],
        ),
        ("POST", "items", json!({"name": "x", "price": 1, "id": 7}), &["/id"]),
        ("PATCH", "items/1", json!({"name": null, "price": null}), &["/name", "/price"]),
        ("PATCH", "items/1", json!({"colour": "red"}), &["/colour"]),
        ("PATCH", "customers/1", json!({"address": null}), &["/address"]),
        ("PATCH", "customers/1", json!({"address": {"post_code": 1.5}}), &["/address/post_code"]),
        ("POST", "orders", json!({"customer_id": 0, "items": {}}), &["/customer_id", "/items"]),
        (
            "POST",
            "orders",
            json!({"customer_id": "1", "items": [{"id": 1}, 7, {"id": -1, "quantity": 1, "price": 0}]}),
            &["/customer_id", "/items/0/quantity", "/items/1", "/items/2/id", "/items/2/price"],
        ),
        ("POST", "orders", json!({"customer_id": 1, "items": []}), &["/items"]),
        (
            "POST",
            "orders",
            json!({"customer_id": 9, "items": [{"id": 9, "quantity": 1}]}),
            &["/customer_id", "/items/0/id"],
        ),
        (
            "POST",
            "orders",
            json!({"customer_id": 1, "items": [{"id": 1, "quantity": 0}, {"id": 1, "quantity": 2_147_483_648_i64}]}),
            &["/items/0/quantity", "/items/1/quantity"],
        ),
    ];
    for (method, path, body, pointers) in cases {
        let request = app.client.request(method, &format!("/api/v1/{path}")).json(body);
        let response = TestResponse::of(request).await;
        response.assert_field_errors(422, pointers);
        let problem = response.json();
        let errors = problem["errors"].as_array().unwrap();
        assert!(errors.iter().all(|error| !error["detail"].as_str().unwrap().is_empty()));
    }
    let counts = [db.count("customer").await, db.count("item").await, db.count("orders").await];
    assert_eq!(counts, [3, 4, 3]);
}

async fn valid_values_are_returned_unchanged(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for name in
        ["x", "\u{202e}rtl", "🦀", "a\u{301}", &"ö".repeat(200), "'; DROP TABLE item; --", "a  b"]
    {
        for price in [json!(0), json!(0.01), json!(9_999_999_999_999.99), json!(2.0)] {
            let item = json!({"name": name, "price": price, "description": name});
            let created = app.client.post("/api/v1/items", &item).await;
            created.assert_status(201);
            let stored = app.client.get_json(created.header("location")).await;
            assert_eq!((&stored["name"], &stored["description"]), (&json!(name), &json!(name)));
            assert_eq!(stored["price"].as_f64(), price.as_f64());
        }
    }
}

async fn invalid_json_is_refused(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let deep = "[".repeat(100_000);
    let large = " ".repeat(300_000) + "{}";
    for (body, status) in [
        ("", 400),
        ("{", 400),
        (r#"{"name": "x", "price": 1"#, 400),
        (r#"{"name": "x", "price": 1} {}"#, 400),
        (r#"{"name": "x", "name": "y", "price": 1}"#, 400),
        (r#"{"name": "x", "price": 1e400}"#, 400),
        (r#"{"name": "x", "price": NaN}"#, 400),
        (r#"{"name": "\ud800", "price": 1}"#, 400),
        (&deep, 400),
        (&large, 413),
        ("null", 422),
    ] {
        let request = app.client.request("POST", "/api/v1/items");
        let response = TestResponse::of(
            request.header(CONTENT_TYPE, "application/json").body(body.to_owned()),
        );
        response.await.assert_problem(status);
    }
    let request = app.client.request("POST", "/api/v1/items").header(CONTENT_TYPE, "text/xml");
    TestResponse::of(request.body("<x/>")).await.assert_problem(415);
    assert_eq!(db.count("item").await, 4);
}
