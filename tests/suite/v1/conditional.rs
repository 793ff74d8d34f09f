//! Conditional requests with entity tags.

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    cases,
    harness::{case::Case, client::TestResponse, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![
        if_none_match_saves_sending_an_unchanged_resource,
        an_edit_of_an_outdated_version_is_refused,
        one_of_concurrent_edits_of_one_version_succeeds,
        a_change_returns_the_whole_resource,
    ]
}

async fn if_none_match_saves_sending_an_unchanged_resource(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for path in [
        "/api/v1/items/1",
        "/api/v1/customers/1",
        "/api/v1/orders/1",
        "/api/v1/orders/1?expand=customer",
    ] {
        let whole = app.client.get(path).await;
        let tag = whole.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "{tag}");
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let request = app.client.request("GET", path).header("if-none-match", &known);
            let response = TestResponse::of(request).await;
            response.assert_status(304);
            assert_eq!((response.body.as_str(), response.header("etag")), ("", tag.as_str()));
        }
        let request = app.client.request("GET", path).header("if-none-match", "\"other\"");
        assert_eq!(TestResponse::of(request).await.assert_status(200).body, whole.body);
    }
    let tags = async |path: &str| app.client.get(path).await.header("etag").to_owned();
    assert_ne!(tags("/api/v1/orders/1").await, tags("/api/v1/orders/1?expand=customer").await);
    let before = tags("/api/v1/customers/1").await;
    let changed =
        app.client.patch("/api/v1/customers/1", &json!({"address": {"flat_number": 9}})).await;
    assert_ne!(changed.header("etag"), before);
    assert_eq!(tags("/api/v1/customers/1").await, changed.header("etag"));
}

async fn an_edit_of_an_outdated_version_is_refused(db: &TestDatabase) {
    let app = db.serve_demo().await;
    app.client.post("/api/v1/items", &json!({"name": "Tea", "price": 1})).await.assert_status(201);
    let path = "/api/v1/items/5";
    let old = app.client.get(path).await.header("etag").to_owned();
    app.client.patch(path, &json!({"price": 2})).await.assert_status(200);
    let new = app.client.get(path).await.header("etag").to_owned();
    let edit = |method: &'static str, tag: String| {
        let request = app.client.request(method, path).header("if-match", tag);
        TestResponse::of(if method == "PATCH" {
            request.json(&json!({"price": 3}))
        } else {
            request
        })
    };
    for stale in [
        old.clone(),
        format!("W/{new}"),
        "\"\"".to_owned(),
        "\"x\", \"y\"".to_owned(),
        "'x'".to_owned(),
    ] {
        edit("PATCH", stale.clone()).await.assert_problem(412);
        edit("DELETE", stale).await.assert_problem(412);
    }
    edit("PATCH", String::new()).await.assert_problem(400);
    edit("DELETE", String::new()).await.assert_problem(400);
    assert_eq!(app.client.get_json(path).await["price"], 2);
    edit("PATCH", format!("{old}, {new}")).await.assert_status(200);
    edit("PATCH", "*".to_owned()).await.assert_status(200);
    let newest = app.client.get(path).await.header("etag").to_owned();
    edit("DELETE", newest).await.assert_status(204);
    edit("PATCH", "*".to_owned()).await.assert_problem(404);
}

async fn one_of_concurrent_edits_of_one_version_succeeds(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for round in 0..5 {
        for (path, change) in [
            ("/api/v1/items/1", [json!({"price": 100 + round}), json!({"price": 200 + round})]),
            (
                "/api/v1/customers/1",
                [
                    json!({"address": {"flat_number": 100 + round}}),
                    json!({"address": {"flat_number": 200 + round}}),
                ],
            ),
        ] {
            let tag = app.client.get(path).await.header("etag").to_owned();
            let edit = |n: usize| {
                let request = app.client.request("PATCH", path).header("if-match", &tag);
                TestResponse::of(request.json(&change[n % 2]))
            };
            let responses = join_all((0..8).map(edit)).await;
            let mut statuses: Vec<_> = responses.iter().map(|a| a.status.as_u16()).collect();
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
        }
    }
}

async fn a_change_returns_the_whole_resource(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for (path, change) in
        [("/api/v1/items/1", json!({"price": 7})), ("/api/v1/customers/1", json!({"name": "Al"}))]
    {
        let request = app.client.request("PATCH", path).header("if-none-match", "*");
        let response = TestResponse::of(request.json(&change)).await;
        response.assert_status(200);
        assert_eq!(app.client.get_json(path).await, response.json());
    }
}
