//! Unknown query parameters.

use serde_json::Value;

use crate::{
    cases,
    harness::{
        case::Case,
        client::{Client, TestResponse},
        database::TestDatabase,
        openapi::Operation,
    },
};

pub fn cases() -> Vec<Case> {
    cases![
        an_unknown_query_parameter_is_refused_on_every_route,
        a_refused_query_parameter_changes_nothing,
    ]
}

/// Returns a query with all required parameters of the operation and an unknown one.
fn with_unknown_parameter(operation: &Operation) -> String {
    let parameters = operation.description["parameters"].as_array().into_iter().flatten();
    let required = parameters.filter(|it| it["in"] == "query" && it["required"] == true);
    let pairs = required.map(|parameter| match parameter["name"].as_str().unwrap() {
        name @ ("from" | "to") => format!("{name}=2024-01-01"),
        name => format!("{name}=1"),
    });
    let pairs: Vec<_> = pairs.chain(["dry_run=true".to_owned()]).collect();
    format!("?{}", pairs.join("&"))
}

async fn an_unknown_query_parameter_is_refused_on_every_route(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for operation in Operation::all(&app.client).await {
        let query = with_unknown_parameter(&operation);
        let Operation { method, path, .. } = &operation;
        let response = TestResponse::of(operation.request(&app.client, &query)).await;
        assert_eq!(response.status, 400, "{method} {path}{query}: {response:?}");
        let problem = response.assert_problem(400);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("dry_run"), "{method} {path}: {detail}");
        assert!(operation.describes(400), "{method} {path} does not describe 400");
        if method == "GET" {
            let path = format!("{}{query}", operation.concrete_path());
            let head = TestResponse::of(app.client.request("HEAD", &path)).await;
            assert_eq!(head.status, 400, "HEAD {path}: {head:?}");
        }
    }
}

async fn a_refused_query_parameter_changes_nothing(db: &TestDatabase) {
    let app = db.serve_demo().await;
    // A customer and an item without orders, which can be deleted.
    let [customer, item] = add_unused(&app.client).await;
    let before = all_resources(&app.client).await;
    for operation in Operation::all(&app.client).await {
        if operation.method != "GET" {
            TestResponse::of(operation.request(&app.client, "?dry_run=true")).await;
        }
    }
    for path in [&customer, &item] {
        app.client.delete(&format!("{path}?dry_run=true")).await.assert_problem(400);
        app.client.delete(&format!("{path}?dry_run")).await.assert_problem(400);
    }
    assert_eq!(all_resources(&app.client).await, before);
    for path in [&customer, &item] {
        app.client.delete(path).await.assert_status(204);
    }
}

async fn add_unused(client: &Client) -> [String; 2] {
    let address = serde_json::json!({"flat_number": 1, "post_code": 2});
    let customer = serde_json::json!({"name": "Dana", "address": address});
    let item = serde_json::json!({"name": "Tea", "price": 1});
    let customer = client.post("/api/v1/customers", &customer).await;
    let item = client.post("/api/v1/items", &item).await;
    [customer, item].map(|created| created.assert_status(201).header("location").to_owned())
}

async fn all_resources(client: &Client) -> Vec<Value> {
    let mut all = Vec::new();
    for list in ["customers", "items", "orders"] {
        all.push(client.get_json(&format!("/api/v1/{list}?limit=100")).await);
    }
    all
}
