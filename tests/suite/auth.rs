//! Who may do what, and what becomes of the keys.

use std::process::Stdio;

use reqwest::header::AUTHORIZATION;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::{
    cases,
    harness::{
        app::{App, PATIENCE},
        backend::Backend,
        case::Case,
        client::{Answer, Client},
        database::{MARKETSVC, TestDatabase, stderr},
    },
};

const STRANGER: &str = "mk_01234567_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const CHALLENGE: &str = r#"Bearer realm="marketsvc""#;
const INVALID_TOKEN: &str = r#"Bearer realm="marketsvc", error="invalid_token""#;

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        every_operation_wants_the_role_it_says,
        a_key_that_is_not_quite_right_is_none,
        idempotency_keys_belong_to_their_caller,
        no_key_is_in_the_log,
        no_secret_is_in_the_database,
        keys_are_made_listed_and_revoked,
    ];
    cases.extend(cases![SQLITE;
        what_is_public_needs_no_key,
        nobody_learns_which_paths_there_are,
        nothing_but_the_header_is_looked_at,
        names_and_roles_that_make_no_sense,
        an_open_door_is_refused_unless_asked_for,
        what_is_on_or_off_is_said,
    ]);
    cases.extend(cases![SERVERS; a_database_that_is_away_is_503_not_401]);
    cases
}

/// A new key of that role.
async fn make_key(db: &TestDatabase, role: &str) -> String {
    let key = db.run_ok(&["api-key", "create", "--role", role, "--name", role]).await;
    key.trim_end().to_owned()
}

fn id(key: &str) -> &str {
    &key[3..11]
}

fn secret(key: &str) -> &str {
    &key[12..]
}

async fn serve(db: &TestDatabase) -> App {
    db.serve(&["--demo", "--auth", "required"]).await
}

async fn ask(app: &App, method: &str, path: &str, key: &str) -> Answer {
    Answer::of(app.client.request(method, path).bearer_auth(key)).await
}

async fn expire(db: &TestDatabase, key: &str) {
    let id = id(key);
    let sql = format!("UPDATE api_keys SET expires_at = '2020-01-01 00:00:00' WHERE id = '{id}'");
    db.execute(&sql).await.unwrap();
}

/// What the requirements say, as the number of the role.
fn needed_role(method: &str, path: &str) -> Option<usize> {
    match (method, path) {
        ("GET", "/livez" | "/readyz" | "/metrics") => None,
        ("GET", _) => Some(0),
        ("POST", "/api/v1/orders" | "/api/add_new_order") => Some(1),
        _ => Some(2),
    }
}

async fn every_operation_wants_the_role_it_says(db: &TestDatabase) {
    let app = serve(db).await;
    let roles = ["reader", "writer", "admin"];
    let mut callers = vec![
        ("nobody", None, None),
        ("garbage", Some("garbage".to_owned()), None),
        ("a stranger", Some(STRANGER.to_owned()), None),
    ];
    for (rank, role) in roles.into_iter().enumerate() {
        callers.push((role, Some(make_key(db, role).await), Some(rank)));
    }
    let (expired, revoked) = (make_key(db, "admin").await, make_key(db, "admin").await);
    expire(db, &expired).await;
    db.run_ok(&["api-key", "revoke", id(&revoked)]).await;
    callers.extend([("expired", Some(expired), None), ("revoked", Some(revoked), None)]);

    let document = app.client.get_json("/openapi.json").await;
    let scheme = &document["components"]["securitySchemes"]["bearer"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
    let mut operations = [0; 3];
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let needed = needed_role(&method.to_uppercase(), path);
            assert_eq!(operation["x-role"].as_str(), needed.map(|rank| roles[rank]), "{path}");
            let security = if needed.is_some() { json!([{"bearer": []}]) } else { Value::Null };
            assert_eq!(operation["security"], security, "{method} {path}");
            if let Some(rank) = needed {
                operations[rank] += 1;
            }
            for caller in &callers {
                refused_or_not(&app, method, path, operation, needed, caller).await;
            }
        }
    }
    assert!(operations[0] >= 17 && operations[1] == 2 && operations[2] == 6, "{operations:?}");
}

async fn refused_or_not(
    app: &App,
    method: &str,
    path: &str,
    operation: &Value,
    needed: Option<usize>,
    (who, key, rank): &(&str, Option<String>, Option<usize>),
) {
    let concrete = path
        .replace("{id}", "1")
        .replace("{before}", "2024-03-22")
        .replace("{after}", "2024-03-14");
    let methods = if method == "get" { &["GET", "HEAD"][..] } else { &[method] };
    for method in methods {
        let mut request = app.client.request(&method.to_uppercase(), &concrete);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let answer = Answer::of(request).await;
        let status = answer.status.as_u16();
        let said = format!("{who}: {method} {path}: {answer:?}");
        let described = operation["responses"].get(status.to_string()).is_some();
        assert!(described, "not described: {said}");
        match (needed, rank) {
            (Some(_), None) => {
                assert_eq!(status, 401, "{said}");
                let challenge = if key.is_some() { INVALID_TOKEN } else { CHALLENGE };
                assert_eq!(answer.header("www-authenticate"), challenge, "{said}");
            }
            (Some(needed), Some(rank)) if rank < &needed => assert_eq!(status, 403, "{said}"),
            _ => assert!(![401, 403, 404, 405, 500].contains(&status), "{said}"),
        }
        if *method != "HEAD" && [401, 403].contains(&status) {
            answer.assert_problem(status);
        }
    }
}

async fn a_key_that_is_not_quite_right_is_none(db: &TestDatabase) {
    let app = serve(db).await;
    let (one, two) = (make_key(db, "admin").await, make_key(db, "reader").await);
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
        let answer = ask(&app, "GET", "/", &key).await;
        answer.assert_problem(401);
        assert_eq!(answer.header("www-authenticate"), INVALID_TOKEN);
        assert!(!answer.body.contains("mk_") && !answer.body.contains(secret(&one)), "{answer:?}");
    }
    ask(&app, "GET", "/", &one).await.assert_status(200);
    let statements = app.mark().await;
    let answer = ask(&app, "GET", "/", &two).await;
    let statements = app.statements_until(statements, &answer.request_id()).await;
    assert_eq!(statements.len(), 1, "{statements:#?}");
}

async fn idempotency_keys_belong_to_their_caller(db: &TestDatabase) {
    let app = serve(db).await;
    let (one, two) = (make_key(db, "writer").await, make_key(db, "writer").await);
    let place = async |key: &str, quantity: i64| {
        let order = json!({"customer_id": 1, "items": [{"id": 1, "quantity": quantity}]});
        let request =
            app.client.request("POST", "/api/v1/orders").header("idempotency-key", "same");
        Answer::of(request.bearer_auth(key).json(&order)).await
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

async fn no_key_is_in_the_log(db: &TestDatabase) {
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
    Answer::of(request.header("idempotency-key", "k").json(&order)).await.assert_status(201);
    ask(&app, "POST", "/api/v1/orders", reader).await.assert_problem(403);
    ask(&app, "GET", "/nothing", reader).await.assert_problem(404);
    ask(&app, "GET", "/", &format!("mk_00000000_{}", secret(admin))).await.assert_problem(401);
    app.client.get(&format!("/api/v1/items?api_key={admin}")).await.assert_problem(401);
    ask(&app, "GET", &format!("/api/v1/items/{reader}?key={reader}"), admin).await;
    app.client.get(&format!("/docs/{reader}?key={admin}")).await;
    db.execute("DROP TABLE order_items").await.unwrap();
    ask(&app, "GET", "/api/order_total/1", reader).await.assert_problem(500);
    app.mark().await;
    let log = app.log();
    for line in &log {
        for key in &keys {
            assert!(!line.contains(secret(key)), "{line}");
        }
    }
    assert!(log.iter().any(|line| line.contains("/api/v1/orders")));
}

async fn no_secret_is_in_the_database(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let key = make_key(db, "admin").await;
    let connection = db.connect().await;
    let select =
        Statement::from_string(connection.get_database_backend(), "SELECT * FROM api_keys");
    let rows = connection.query_all_raw(select).await.unwrap();
    assert_eq!(rows.len(), 1);
    for column in ["id", "name", "role", "secret_hash"] {
        let value: String = rows[0].try_get("", column).unwrap();
        assert!(!value.contains(secret(&key)) && !secret(&key).contains(&value), "{column}");
    }
    if db.backend == Backend::Sqlite {
        let file = db.url.trim_start_matches("sqlite://").split('?').next().unwrap();
        let directory = std::path::Path::new(file).parent().unwrap();
        for file in std::fs::read_dir(directory).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let secret = secret(&key).as_bytes();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }
    let king = format!("UPDATE api_keys SET role = 'king' WHERE id = '{}'", id(&key));
    assert!(db.execute(&king).await.is_err());
}

async fn keys_are_made_listed_and_revoked(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let create = |name: &'static str, more: &'static [&'static str]| async move {
        let args = ["api-key", "create", "--role", "reader", "--name", name];
        let output = db.run(&[&args[..], more].concat()).await;
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).contains("shown once"), "{}", stderr(&output));
        let key = String::from_utf8(output.stdout).unwrap();
        assert!(key.starts_with("mk_") && key.ends_with('\n') && key.len() == 56, "{key}");
        key.trim_end().to_owned()
    };
    let app = db.serve(&["--auth", "required"]).await;
    let status = async |key: &str| ask(&app, "GET", "/", key).await.status.as_u16();

    let shop = create("the shop's front", &[]).await;
    let trial = create("trial — 試用", &["--expires-in-days", "30"]).await;
    assert_eq!((status(&shop).await, status(&trial).await), (200, 200));
    let list = db.run_ok(&["api-key", "list"]).await;
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(lines[1].starts_with(&format!("{}  reader  good ", id(&shop))), "{list}");
    assert!(lines[1].contains(" never ") && lines[1].ends_with("  the shop's front"), "{list}");
    assert!(lines[2].starts_with(id(&trial)) && lines[2].ends_with("  trial — 試用"), "{list}");
    assert!(!lines[2].contains(" never "), "{list}");
    assert!(!list.contains(secret(&shop)) && !list.contains(secret(&trial)), "{list}");

    expire(db, &trial).await;
    assert_eq!((status(&shop).await, status(&trial).await), (200, 401));
    for _ in 0..2 {
        let said = db.run_ok(&["api-key", "revoke", id(&shop)]).await;
        assert_eq!(said, format!("revoked {}\n", id(&shop)));
        assert_eq!((status(&shop).await, status(&trial).await), (401, 401));
    }
    let list = db.run_ok(&["api-key", "list"]).await;
    assert!(list.contains(&format!("{}  reader  revoked ", id(&shop))), "{list}");
    assert!(list.contains(&format!("{}  reader  expired ", id(&trial))), "{list}");

    for (unknown, expected) in
        [("00000000", "there is no API key 00000000"), (shop.as_str(), "eight letters and digits")]
    {
        let output = db.run(&["api-key", "revoke", unknown]).await;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(expected) && !said.contains(secret(&shop)), "{said}");
    }
}

async fn what_is_public_needs_no_key(db: &TestDatabase) {
    let app = serve(db).await;
    for path in ["/openapi.json", "/docs", "/docs/", "/docs/swagger-ui.css"] {
        app.client.get(path).await.assert_status(200);
        assert_ne!(Answer::of(app.client.request("HEAD", path)).await.status, 401);
    }
    app.client.get("/").await.assert_problem(401);
}

async fn nobody_learns_which_paths_there_are(db: &TestDatabase) {
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
        Answer::of(app.client.request(method, path)).await.assert_problem(401);
    }
    let (reader, admin) = (make_key(db, "reader").await, make_key(db, "admin").await);
    ask(&app, "GET", "/nothing/here", &reader).await.assert_problem(404);
    ask(&app, "DELETE", "/nothing", &reader).await.assert_problem(403);
    ask(&app, "DELETE", "/nothing", &admin).await.assert_problem(404);
    let answer = ask(&app, "PUT", "/api/v1/items", &admin).await;
    answer.assert_problem(405);
    assert_eq!(answer.header("www-authenticate"), "");
}

async fn nothing_but_the_header_is_looked_at(db: &TestDatabase) {
    let app = serve(db).await;
    let key = make_key(db, "admin").await;
    for query in ["api_key", "access_token", "key"] {
        let path = format!("/api/v1/items?{query}={key}");
        let answer = app.client.get(&path).await;
        answer.assert_problem(401);
        assert_eq!(answer.header("www-authenticate"), CHALLENGE);
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
        Answer::of(request).await.assert_problem(401);
    }
    let spelt = get().header(AUTHORIZATION, format!("bearer {key}"));
    Answer::of(spelt).await.assert_status(200);
}

async fn names_and_roles_that_make_no_sense(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let long = "x".repeat(201);
    for (role, name, days) in [
        ("king", "name", "1"),
        ("Reader", "name", "1"),
        ("reader", "", "1"),
        ("reader", " name", "1"),
        ("reader", "two\nlines", "1"),
        ("reader", &long, "1"),
        ("reader", "name", "0"),
        ("reader", "name", "36501"),
    ] {
        let args = ["api-key", "create", "--role", role, "--name", name, "--expires-in-days", days];
        let output = db.run(&args).await;
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
    assert_eq!(db.count("api_keys").await, 0);
}

async fn an_open_door_is_refused_unless_asked_for(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let args = ["serve", "--listen", listen, "--auth", "off"];
        let output =
            tokio::time::timeout(PATIENCE, db.run(&args)).await.expect("it should not start");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        for part in [listen, "without authentication", "--insecure-no-auth"] {
            assert!(said.contains(part), "{said}");
        }
    }
    for (args, status) in [
        (&[][..], 401),
        (&["--auth", "required", "--insecure-no-auth"], 401),
        (&["--insecure-no-auth"], 200),
        (&["--auth", "off", "--insecure-no-auth"], 200),
    ] {
        let (_server, log) = listen_everywhere(db, args).await;
        let (_, port) = log.last().unwrap().rsplit_once(':').unwrap();
        let client = Client::new(&format!("http://127.0.0.1:{port}"));
        client.get("/").await.assert_status(status);
        let is_off = log.iter().any(|line| line.contains("authentication is off"));
        assert_eq!(is_off, status == 200, "{log:#?}");
    }
}

/// A server on all addresses, for as long as it is kept, and its log until it listens.
async fn listen_everywhere(db: &TestDatabase, args: &[&str]) -> (impl Sized, Vec<String>) {
    let mut server = Command::new(MARKETSVC)
        .args(["serve", "--listen", "0.0.0.0:0"])
        .args(args)
        .env("DATABASE_URL", &db.url)
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let mut log = Vec::new();
    while !log.last().is_some_and(|line: &String| line.contains("listening at http://")) {
        log.push(lines.next_line().await.unwrap().expect("the server should listen"));
    }
    ((server, lines), log)
}

async fn what_is_on_or_off_is_said(db: &TestDatabase) {
    let app = db.serve_demo().await;
    app.client.get("/").await.assert_status(200);
    assert!(app.logged("authentication is off").await.contains("WARN"));
    let wrong = Answer::of(app.client.request("GET", "/").bearer_auth("garbage")).await;
    wrong.assert_status(200);

    let app = serve(db).await;
    app.client.get("/").await.assert_problem(401);
    assert!(app.logged("marketsvc api-key create").await.contains("WARN"));
    let key = make_key(db, "reader").await;
    ask(&app, "GET", "/", &key).await.assert_status(200);

    for is_good in [true, false] {
        let app = App::start_with(&db.url, &[], &[("MARKETSVC_AUTH", "required")]).await;
        app.client.get("/").await.assert_problem(401);
        let warned = app.log().iter().any(|line| line.contains("marketsvc api-key create"));
        assert_eq!(warned, !is_good);
        expire(db, &key).await;
    }
}

async fn a_database_that_is_away_is_503_not_401(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let key = make_key(db, "reader").await;
    let (proxy, url) = db.behind_proxy().await;
    let app = App::start(&url, &["--auth", "required", "--acquire-timeout", "1"]).await;
    ask(&app, "GET", "/", &key).await.assert_status(200);
    proxy.cut();
    let answer = ask(&app, "GET", "/", &key).await;
    answer.assert_problem(503);
    assert_eq!(answer.header("www-authenticate"), "");
    app.client.get("/").await.assert_problem(401);
    proxy.mend().await;
    // Each connection that was cut is found out by a request.
    for _ in 0..20 {
        if ask(&app, "GET", "/", &key).await.status == 200 {
            return;
        }
    }
    panic!("{:#?}", app.log());
}
