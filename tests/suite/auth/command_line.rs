//! `marketsvc api-key` and the options of `marketsvc serve` for authentication.

use std::process::Stdio;

use sea_orm::{ConnectionTrait, Statement};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::{create_api_key, expire, id, secret, send, serve};
use crate::{
    cases,
    harness::{
        app::{App, EVENT_TIMEOUT},
        backend::Backend,
        case::Case,
        client::{Client, TestResponse},
        database::{MARKETSVC, TestDatabase, stderr},
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases =
        cases![api_keys_can_be_created_listed_and_revoked, api_key_secrets_are_not_stored];
    cases.extend(cases![SQLITE;
        invalid_api_key_names_and_roles_are_rejected,
        serving_other_hosts_without_authentication_needs_a_flag,
        the_log_states_whether_authentication_is_on,
    ]);
    cases
}

async fn api_keys_can_be_created_listed_and_revoked(db: &TestDatabase) {
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
    let status = async |key: &str| send(&app, "GET", "/", key).await.status.as_u16();

    let shop = create("the shop's front", &["--no-expiry"]).await;
    let trial = create("trial — 試用", &["--expires-in-days", "30"]).await;
    assert_eq!((status(&shop).await, status(&trial).await), (200, 200));
    let list = db.run_ok(&["api-key", "list"]).await;
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(lines[1].starts_with(&format!("{}  reader  ", id(&shop))), "{list}");
    for word in ["revoked", "expired"] {
        assert!(!list.contains(word), "{list}");
    }
    assert!(lines[1].contains(" never ") && lines[1].ends_with("  the shop's front"), "{list}");
    assert!(lines[2].starts_with(id(&trial)) && lines[2].ends_with("  trial — 試用"), "{list}");
    assert!(!lines[2].contains(" never "), "{list}");
    assert!(!list.contains(secret(&shop)) && !list.contains(secret(&trial)), "{list}");

    expire(db, &trial).await;
    assert_eq!((status(&shop).await, status(&trial).await), (200, 401));
    for _ in 0..2 {
        let message = db.run_ok(&["api-key", "revoke", id(&shop)]).await;
        assert_eq!(message, format!("revoked {}\n", id(&shop)));
        assert_eq!((status(&shop).await, status(&trial).await), (401, 401));
    }
    let list = db.run_ok(&["api-key", "list"]).await;
    assert!(list.contains(&format!("{}  reader  revoked ", id(&shop))), "{list}");
    assert!(list.contains(&format!("{}  reader  expired ", id(&trial))), "{list}");

    for (unknown, expected) in
        [("00000000", "there is no API key 00000000"), (shop.as_str(), "eight letters and digits")]
    {
        let output = db.run(&["api-key", "revoke", unknown]).await;
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(message.contains(expected) && !message.contains(secret(&shop)), "{message}");
    }
}

async fn api_key_secrets_are_not_stored(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let key = create_api_key(db, "admin").await;
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
    let unknown_role = format!("UPDATE api_keys SET role = 'king' WHERE id = '{}'", id(&key));
    assert!(db.execute(&unknown_role).await.is_err());
}

async fn invalid_api_key_names_and_roles_are_rejected(db: &TestDatabase) {
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

async fn serving_other_hosts_without_authentication_needs_a_flag(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let args = ["serve", "--listen", listen, "--auth", "off"];
        let output = tokio::time::timeout(EVENT_TIMEOUT, db.run(&args))
            .await
            .expect("the server should not start");
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        for part in [listen, "without authentication", "--insecure-no-auth"] {
            assert!(message.contains(part), "{message}");
        }
    }
    for (args, status) in [
        (&[][..], 401),
        (&["--auth", "required", "--insecure-no-auth"], 401),
        (&["--insecure-no-auth"], 200),
        (&["--auth", "off", "--insecure-no-auth"], 200),
    ] {
        let (_server, log) = listen_on_all_addresses(db, args).await;
        let (_, port) = log.last().unwrap().rsplit_once(':').unwrap();
        let client = Client::new(&format!("http://127.0.0.1:{port}"));
        client.get("/").await.assert_status(status);
        let is_off = log.iter().any(|line| line.contains("authentication is off"));
        assert_eq!(is_off, status == 200, "{log:#?}");
    }
}

/// Starts a server on all addresses. Returns its guard and its log up to the line that it listens.
async fn listen_on_all_addresses(db: &TestDatabase, args: &[&str]) -> (impl Sized, Vec<String>) {
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

async fn the_log_states_whether_authentication_is_on(db: &TestDatabase) {
    let app = db.serve_demo().await;
    app.client.get("/").await.assert_status(200);
    assert!(app.logged("authentication is off").await.contains("WARN"));
    let wrong = TestResponse::of(app.client.request("GET", "/").bearer_auth("garbage")).await;
    wrong.assert_status(200);

    let app = serve(db).await;
    app.client.get("/").await.assert_problem(401);
    assert!(app.logged("marketsvc api-key create").await.contains("WARN"));
    let key = create_api_key(db, "reader").await;
    send(&app, "GET", "/", &key).await.assert_status(200);

    for has_valid_key in [true, false] {
        let app = App::start_with(&db.url, &[], &[("MARKETSVC_AUTH", "required")]).await;
        app.client.get("/").await.assert_problem(401);
        let warned = app.log().iter().any(|line| line.contains("marketsvc api-key create"));
        assert_eq!(warned, !has_valid_key);
        expire(db, &key).await;
    }
}
