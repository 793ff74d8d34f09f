//! Bodies of requests that are encoded or large.

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::{
    cases,
    harness::{app::App, case::Case, client::TestResponse, database::TestDatabase},
};

/// Greatest size of the response to an invalid body.
const MAX_RESPONSE: usize = 64 * 1024;

pub fn cases() -> Vec<Case> {
    cases![SQLITE;
        a_body_that_is_encoded_is_415,
        the_response_to_a_large_invalid_body_is_short,
        a_csv_cell_is_no_formula_wherever_a_spreadsheet_splits,
    ]
}

async fn a_body_that_is_encoded_is_415(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let item = json!({"name": "Tea", "price": 1}).to_string();
    let send = async |name: &str, value: &str| {
        let request = app.client.request("POST", "/api/v1/items").header(name, value);
        let request = if name == "content-type" {
            request
        } else {
            request.header(CONTENT_TYPE, "application/json")
        };
        TestResponse::of(request.body(item.clone())).await
    };
    for coding in ["gzip", "br", "deflate", "identity, gzip", "GZIP", "compress", "x"] {
        let response = send(CONTENT_ENCODING.as_str(), coding).await;
        response.assert_problem(415);
        assert_eq!(response.header("accept-encoding"), "identity", "{coding}");
    }
    for charset in ["iso-8859-1", "utf-16", "\"latin1\"", "utf-7", "us-ascii"] {
        let response = send("content-type", &format!("application/json; charset={charset}")).await;
        response.assert_problem(415);
    }
    let keyed = app.client.request("POST", "/api/v1/orders").header("idempotency-key", "k");
    let order = json!({"customer_id": 1, "items": [{"id": 1, "quantity": 1}]});
    TestResponse::of(keyed.header(CONTENT_ENCODING, "gzip").json(&order)).await.assert_problem(415);
    assert_eq!((db.count("item").await, db.count("orders").await), (4, 3));
    for (name, value) in [
        ("content-encoding", "identity"),
        ("content-encoding", "Identity"),
        ("content-encoding", ""),
        ("content-type", "application/json; charset=utf-8"),
        ("content-type", "application/json; charset=UTF-8"),
        ("content-type", "application/json; charset=\"utf-8\""),
        ("content-type", "application/merge-patch+json"),
    ] {
        send(name, value).await.assert_status(201);
    }
}

async fn the_response_to_a_large_invalid_body_is_short(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let size = 255 * 1024;
    let (name, wide) = ("k".repeat(size), "\u{1f980}".repeat(size / 4));
    let fields = |name: &str| (0..2000).map(|n| format!("\"{n}{name}\":1")).collect::<Vec<_>>();
    let lines = |line: &str| vec![line; size / (line.len() + 1)].join(",");
    for (body, status, omitted) in [
        (format!("{{\"{name}\": 1}}"), 422, false),
        (format!("{{\"{wide}\": 1}}"), 422, false),
        (format!("{{{}}}", fields(&"k".repeat(100)).join(",")), 422, true),
        (format!("{{\"customer_id\":1,\"items\":[{}]}}", lines("7")), 422, false),
        (format!("{{\"customer_id\":1,\"items\":[{}]}}", lines("{\"n\":1}")), 422, false),
        (format!("{{\"{0}\": 1, \"{0}\": 1}}", "k".repeat(size / 2 - 20)), 400, false),
    ] {
        let response = post(&app, body).await;
        let problem = response.assert_problem(status);
        assert!(response.body.len() < MAX_RESPONSE, "{} bytes", response.body.len());
        let errors = problem["errors"].as_array().map_or(0, Vec::len);
        assert!(errors <= 100, "{errors}");
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(detail.contains(" further errors are not listed"), omitted, "{detail}");
    }
    // Every error is counted.
    let body = json!({"customer_id": 1, "items": vec![json!({"quantity": 0, "n": 1}); 100]});
    let problem = post(&app, body.to_string()).await.assert_problem(422);
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(100));
    assert!(problem["detail"].as_str().unwrap().contains("; 200 further errors"), "{problem}");
}

async fn post(app: &App, body: String) -> TestResponse {
    let request = app.client.request("POST", "/api/v1/orders");
    TestResponse::of(request.header(CONTENT_TYPE, "application/json").body(body)).await
}

async fn a_csv_cell_is_no_formula_wherever_a_spreadsheet_splits(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let names = [
        "x;=1+1",
        "x; \"=1\"",
        "x;\"@a\";-2",
        "=1;+2",
        ";=cmd|'/C calc'!A0",
        "a,b;=1",
        "x;\"\";=1",
    ];
    for name in names {
        let customer: Value = json!({"name": name, "address": {"flat_number": 1, "post_code": 1}});
        app.client.post("/api/v1/customers", &customer).await.assert_status(201);
    }
    let export = app.client.request("GET", "/api/v1/customers/export").header("accept", "text/csv");
    let export = TestResponse::of(export).await;
    export.assert_status(200);
    let cells: Vec<_> = export.body.split([';', '\r', '\n']).collect();
    assert!(cells.len() > names.len());
    for cell in cells {
        let cell = cell.trim_start_matches(['"', ' ']);
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell:?} in {}", export.body);
    }
}
