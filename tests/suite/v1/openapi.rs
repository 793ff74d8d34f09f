//! The OpenAPI document and its page.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    cases,
    harness::{case::Case, client::TestResponse, database::TestDatabase, openapi::Operation},
};

pub fn cases() -> Vec<Case> {
    cases![SQLITE;
        the_committed_document_matches_the_code,
        every_described_operation_exists,
        every_method_of_a_described_path_is_described,
        the_documentation_page_works_offline,
    ]
}

async fn the_committed_document_matches_the_code(db: &TestDatabase) {
    let printed = db.run_ok(&["openapi"]).await;
    let committed = include_str!("../../../openapi.json");
    assert!(printed == committed, "run: marketsvc openapi > openapi.json");
    let app = db.serve_demo().await;
    let served = app.client.get_json("/openapi.json").await;
    assert_eq!(served, serde_json::from_str::<Value>(committed).unwrap());
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"));
}

/// A described 404 is a resource that the demo data does not have. The next test tells it from an unknown path.
async fn every_described_operation_exists(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for operation in Operation::all(&app.client).await {
        let response = TestResponse::of(operation.request(&app.client, "")).await;
        let status = response.status.as_u16();
        let Operation { method, path, .. } = &operation;
        assert!(![405, 500].contains(&status), "{method} {path}: {response:?}");
        assert!(operation.describes(status), "{method} {path} answers {status}");
    }
}

async fn every_method_of_a_described_path_is_described(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let operations = Operation::all(&app.client).await;
    for Operation { path, .. } in &operations {
        let of_path: Vec<_> = operations.iter().filter(|other| other.path == *path).collect();
        let response =
            TestResponse::of(app.client.request("BREW", &of_path[0].concrete_path())).await;
        response.assert_problem(405);
        let allowed: BTreeSet<_> = response.header("allow").split(", ").collect();
        let mut described: BTreeSet<_> = of_path.iter().map(|it| it.method.as_str()).collect();
        if described.contains("GET") {
            described.insert("HEAD");
        }
        assert_eq!(allowed, described, "{path}");
    }
}

async fn the_documentation_page_works_offline(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let page = app.client.get("/docs/").await;
    page.assert_status(200);
    assert!(page.header("content-type").starts_with("text/html"));
    let is_asset =
        |part: &&str| [".js", ".css"].iter().any(|ending| part.strip_suffix(ending).is_some());
    let assets: Vec<_> = page.body.split('"').filter(is_asset).collect();
    assert!(assets.len() >= 3, "{assets:?}");
    for part in assets {
        assert!(!part.contains("://"), "{part} is fetched from elsewhere");
        let path = format!("/docs/{}", part.trim_start_matches("./"));
        app.client.get(&path).await.assert_status(200);
    }
}
