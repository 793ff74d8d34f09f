//! The description of the API.

use serde_json::Value;

use crate::{
    cases,
    harness::{case::Case, client::Answer, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![SQLITE;
        the_committed_document_is_that_of_the_code,
        every_described_route_is_there,
        people_can_read_it_without_network,
    ]
}

async fn the_committed_document_is_that_of_the_code(db: &TestDatabase) {
    let printed = db.run_ok(&["openapi"]).await;
    let committed = include_str!("../../../openapi.json");
    assert!(printed == committed, "run: marketsvc openapi > openapi.json");
    let app = db.serve_demo().await;
    let served = app.client.get_json("/openapi.json").await;
    assert_eq!(served, serde_json::from_str::<Value>(committed).unwrap());
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"));
}

async fn every_described_route_is_there(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let document = app.client.get_json("/openapi.json").await;
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let concrete = path
            .replace("{id}", "1")
            .replace("{before}", "2024-03-22")
            .replace("{after}", "2024-03-14");
        for (method, operation) in item.as_object().unwrap() {
            let answer = Answer::of(app.client.request(&method.to_uppercase(), &concrete)).await;
            let status = answer.status.as_u16();
            assert!(![404, 405, 500].contains(&status), "{method} {path}: {answer:?}");
            let described = operation["responses"].get(status.to_string());
            assert!(described.is_some(), "{method} {path} answers {status}");
            operations += 1;
        }
    }
    assert_eq!(operations, 28);
}

async fn people_can_read_it_without_network(db: &TestDatabase) {
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
