//! Requests with and without API keys.

use std::collections::BTreeSet;

use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{create_api_key, expire, id, secret, send, serve};
use crate::{
    cases,
    fault_injection::eventually,
    harness::{
        app::App,
        case::Case,
        client::TestResponse,
        database::{MARKETSVC, TestDatabase, stderr},
        openapi::Operation,
    },
};

const UNKNOWN_KEY: &str = "mk_01234567_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const CHALLENGE: &str = r#"Bearer realm="marketsvc""#;
const INVALID_TOKEN: &str = r#"Bearer realm="marketsvc", error="invalid_token""#;

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        every_operation_requires_its_documented_role,
        an_altered_api_key_is_rejected,
        idempotency_keys_are_separate_for_each_caller,
        api_keys_never_appear_in_the_log,
    ];
    cases.extend(cases![SQLITE;
        public_routes_need_no_api_key,
        unauthenticated_clients_cannot_find_out_paths,
        only_the_authorization_header_authenticates,
    ]);
    cases.extend(cases![SERVERS; an_unreachable_database_is_503_and_not_401]);
    cases
}

/// Returns the index of the role that the requirements demand for an operation.
fn required_role(method: &str, path: &str) -> Option<usize> {
    match (method, path) {
        ("GET", "/livez" | "/readyz" | "/metrics") => None,
        ("GET", _) => Some(0),
        ("POST", "/api/v1/orders" | "/api/add_new_order") => Some(1),
        _ => Some(2),
    }
}

async fn every_operation_requires_its_documented_role(db: &TestDatabase) {
    let app = serve(db).await;
    let roles = ["reader", "writer", "admin"];
    let mut callers = vec![
        ("anonymous", None, None),
        ("garbage", Some("garbage".to_owned()), None),
        ("unknown key", Some(UNKNOWN_KEY.to_owned()), None),
    ];
    for (rank, role) in roles.into_iter().enumerate() {
        callers.push((role, Some(create_api_key(db, role).await), Some(rank)));
    }
    let (expired, revoked) = (create_api_key(db, "admin").await, create_api_key(db, "admin").await);
    expire(db, &expired).await;
    db.run_ok(&["api-key", "revoke", id(&revoked)]).await;
    callers.extend([("expired", Some(expired), None), ("revoked", Some(revoked), None)]);

    let document = app.client.get_json("/openapi.json").await;
    let scheme = &document["components"]["securitySchemes"]["bearer"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
    let mut used_roles = BTreeSet::new();
    for operation in Operation::all(&app.client).await {
        let Operation { method, path, description, .. } = &operation;
        let required = required_role(method, path);
        let role = required.map(|rank| roles[rank]);
        assert_eq!(description["x-role"].as_str(), role, "{method} {path}");
        let security = if role.is_some() { json!([{"bearer": []}]) } else { Value::Null };
        assert_eq!(description["security"], security, "{method} {path}");
        used_roles.extend(role);
        for caller in &callers {
            check_access(&app, &operation, required, caller).await;
        }
    }
    assert_eq!(used_roles, BTreeSet::from(roles));
}

async fn check_access(
    app: &App,
    operation: &Operation,
    required: Option<usize>,
    (caller, key, rank): &(&str, Option<String>, Option<usize>),
) {
    let path = &operation.path;
    let mut requests = vec![(&*operation.method, operation.request(&app.client, ""))];
    if operation.method == "GET" {
        requests.push(("HEAD", app.client.request("HEAD", &operation.concrete_path())));
    }
    for (method, mut request) in requests {
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let response = TestResponse::of(request).await;
        let status = response.status.as_u16();
        let message = format!("{caller}: {method} {path}: {response:?}");
        assert!(operation.describes(status), "not described: {message}");
        match (required, rank) {
            (Some(_), None) => {
                assert_eq!(status, 401, "{message}");
                let challenge = if key.is_some() { INVALID_TOKEN } else { CHALLENGE };
                assert_eq!(response.header("www-authenticate"), challenge, "{message}");
            }
            (Some(required), Some(rank)) if rank < &required => {
                assert_eq!(status, 403, "{message}");
            }
            _ => assert!(![401, 403, 405, 500].contains(&status), "{message}"),
        }
        if method != "HEAD" && [401, 403].contains(&status) {
            response.assert_problem(status);
        }
    }
}

async fn an_altered_api_key_is_rejected(db: &TestDatabase) {
    let app = serve(db).await;
    let (one, two) = (create_api_key(db, "admin").await, create_api_key(db, "reader").await);
    let last = if one.ends_with('A') { "B" } else { "A" };
    let swapped_case: String = secret(&one)
        .chars()
        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    for key in [
        format!("mk_{}_{}", id(&one), secret(&two)),
        format!("mk_{}_{}", id(&two), secret(&one)),
        format!("mk_{}_{swapped_case}", id(&one)),
        format!("{}{last}", &one[..one.len() - 1]),
        one[..one.len() - 1].to_owned(),
        format!("{one}A"),
        one.to_uppercase(),
        secret(&one).to_owned(),
        format!("mk_{}", id(&one)),
        format!("mk_{}_", id(&one)),
        format!("mk_{}_{}", id(&one), "A".repeat(43)),
        format!("mk_________{}", "A".repeat(43)),
        "x".repeat(8000),
    ] {
        let response = send(&app, "GET", "/", &key).await;
        response.assert_problem(401);
        assert_eq!(response.header("www-authenticate"), INVALID_TOKEN);
        assert!(
            !response.body.contains("mk_") && !response.body.contains(secret(&one)),
            "{response:?}"
        );
    }
    send(&app, "GET", "/", &one).await.assert_status(200);
    let statements = app.mark().await;
    let response = send(&app, "GET", "/", &two).await;
    let statements = app.statements_until(statements, &response.request_id()).await;
    assert_eq!(statements.len(), 1, "{statements:#?}");
}

async fn idempotency_keys_are_separate_for_each_caller(db: &TestDatabase) {
    let app = serve(db).await;
    let (one, two) = (create_api_key(db, "writer").await, create_api_key(db, "writer").await);
    let place = async |key: &str, quantity: i64| {
        let order = json!({"customer_id": 1, "items": [{"id": 1, "quantity": quantity}]});
        let request =
            app.client.request("POST", "/api/v1/orders").header("idempotency-key", "same");
        TestResponse::of(request.bearer_auth(key).json(&order)).await
    };
    let first = place(&one, 1).await;
    first.assert_status(201);
    let second = place(&two, 2).await;
    second.assert_status(201);
    assert_ne!(first.json()["id"], second.json()["id"]);
    for (key, quantity, earlier) in [(&one, 1, &first), (&two, 2, &second)] {
        let again = place(key, quantity).await;
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.body, earlier.body);
        place(key, 3).await.assert_problem(422);
    }
    assert_eq!(db.count("orders").await, 5);
}

async fn api_keys_never_appear_in_the_log(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let mut keys = Vec::new();
    for args in [
        &["api-key", "create", "--role", "admin", "--name", "one", "--echo"][..],
        &["api-key", "create", "--role", "reader", "--name", "two", "--expires-in-days", "1"],
    ] {
        let output = Command::new(MARKETSVC)
            .args(args)
            .env("DATABASE_URL", &db.url)
            .env("RUST_LOG", "trace")
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let key = String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned();
        assert!(!stderr(&output).contains(secret(&key)), "{}", stderr(&output));
        keys.push(key);
    }
    let (admin, reader) = (&keys[0], &keys[1]);
    let app = App::start_with(
        &db.url,
        &["--demo", "--auth", "required"],
        &[("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full")],
    )
    .await;
    let order = json!({"customer_id": 1, "items": [{"id": 1, "quantity": 1}]});
    let request = app.client.request("POST", "/api/v1/orders").bearer_auth(admin);
    TestResponse::of(request.header("idempotency-key", "k").json(&order)).await.assert_status(201);
    send(&app, "POST", "/api/v1/orders", reader).await.assert_problem(403);
    send(&app, "GET", "/nothing", reader).await.assert_problem(404);
    send(&app, "GET", "/", &format!("mk_00000000_{}", secret(admin))).await.assert_problem(401);
    app.client.get(&format!("/api/v1/items?api_key={admin}")).await.assert_problem(401);
    send(&app, "GET", &format!("/api/v1/items/{reader}?key={reader}"), admin).await;
    app.client.get(&format!("/docs/{reader}?key={admin}")).await;
    db.execute("DROP TABLE order_items").await.unwrap();
    send(&app, "GET", "/api/order_total/1", reader).await.assert_problem(500);
    app.mark().await;
    let log = app.log();
    for line in &log {
        for key in &keys {
            assert!(!line.contains(secret(key)), "{line}");
        }
    }
    assert!(log.iter().any(|line| line.contains("/api/v1/orders")));
}

async fn public_routes_need_no_api_key(db: &TestDatabase) {
    let app = serve(db).await;
    for path in ["/openapi.json", "/docs", "/docs/", "/docs/swagger-ui.css"] {
        app.client.get(path).await.assert_status(200);
        assert_ne!(TestResponse::of(app.client.request("HEAD", path)).await.status, 401);
    }
    app.client.get("/").await.assert_problem(401);
}

async fn unauthenticated_clients_cannot_find_out_paths(db: &TestDatabase) {
    let app = serve(db).await;
    for (method, path) in [
        ("GET", "/nothing/here"),
        ("GET", "/api/v1/items/99"),
        ("GET", "/docsx"),
        ("POST", "/docsx"),
        ("OPTIONS", "/api/v1/items"),
        ("PUT", "/api/v1/items"),
        ("DELETE", "/nothing"),
        ("BREW", "/"),
    ] {
        TestResponse::of(app.client.request(method, path)).await.assert_problem(401);
    }
    let (reader, admin) = (create_api_key(db, "reader").await, create_api_key(db, "admin").await);
    send(&app, "GET", "/nothing/here", &reader).await.assert_problem(404);
    send(&app, "DELETE", "/nothing", &reader).await.assert_problem(403);
    send(&app, "DELETE", "/nothing", &admin).await.assert_problem(404);
    let response = send(&app, "PUT", "/api/v1/items", &admin).await;
    response.assert_problem(405);
    assert_eq!(response.header("www-authenticate"), "");
}

async fn only_the_authorization_header_authenticates(db: &TestDatabase) {
    let app = serve(db).await;
    let key = create_api_key(db, "admin").await;
    for query in ["api_key", "access_token", "key"] {
        let path = format!("/api/v1/items?{query}={key}");
        let response = app.client.get(&path).await;
        response.assert_problem(401);
        assert_eq!(response.header("www-authenticate"), CHALLENGE);
    }
    let get = || app.client.request("GET", "/");
    for request in [
        get().header(AUTHORIZATION, &key),
        get().header(AUTHORIZATION, format!("Basic {key}")),
        get().header(AUTHORIZATION, "Bearer"),
        get().header("x-api-key", &key),
        get().header("cookie", format!("key={key}")),
        get().bearer_auth(&key).bearer_auth(&key),
    ] {
        TestResponse::of(request).await.assert_problem(401);
    }
    let spelt = get().header(AUTHORIZATION, format!("bearer {key}"));
    TestResponse::of(spelt).await.assert_status(200);
}

async fn an_unreachable_database_is_503_and_not_401(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let key = create_api_key(db, "reader").await;
    let (proxy, url) = db.behind_proxy().await;
    let app = App::start(&url, &["--auth", "required", "--acquire-timeout", "1"]).await;
    send(&app, "GET", "/", &key).await.assert_status(200);
    proxy.disconnect();
    let response = send(&app, "GET", "/", &key).await;
    response.assert_problem(503);
    assert_eq!(response.header("www-authenticate"), "");
    app.client.get("/").await.assert_problem(401);
    proxy.reconnect().await;
    let restored = async || send(&app, "GET", "/", &key).await.status == 200;
    eventually("the database is reached again", restored).await;
}
