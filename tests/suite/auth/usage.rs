//! Use and expiry of API keys, as an operator sees them.

use std::time::Duration;

use super::{create_api_key, id, send, serve};
use crate::{
    cases,
    fault_injection::eventually,
    harness::{
        case::Case,
        database::{TestDatabase, stderr},
    },
};

pub fn cases() -> Vec<Case> {
    cases![
        the_list_shows_when_an_api_key_was_last_used,
        the_access_log_has_the_id_of_the_api_key,
        an_api_key_expires_after_a_year_unless_it_is_told_otherwise,
    ]
}

async fn the_list_shows_when_an_api_key_was_last_used(db: &TestDatabase) {
    let app = serve(db).await;
    let (used, unused) = (create_api_key(db, "reader").await, create_api_key(db, "reader").await);
    let last_used = async |key: &str| {
        let list = db.run_ok(&["api-key", "list"]).await;
        let line = list.lines().find(|line| line.starts_with(id(key))).unwrap().to_owned();
        line.split_whitespace().nth(5).unwrap().to_owned()
    };
    assert!(db.run_ok(&["api-key", "list"]).await.contains("last used"));
    send(&app, "GET", "/", &used).await.assert_status(200);
    eventually("the use is written", async || last_used(&used).await.starts_with("20")).await;
    let first = last_used(&used).await;
    assert!(first.ends_with('Z'), "{first}");
    for _ in 0..20 {
        send(&app, "GET", "/", &used).await.assert_status(200);
    }
    // Longer than the interval at which uses are written: this key was written a moment ago.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!((last_used(&used).await, last_used(&unused).await), (first, "-".to_owned()));
}

async fn the_access_log_has_the_id_of_the_api_key(db: &TestDatabase) {
    let app = serve(db).await;
    let key = create_api_key(db, "reader").await;
    let line = async |method: &str, path: &str, key: &str| {
        let response = send(&app, method, path, key).await;
        (response.status.as_u16(), app.logged(&format!("s {} ", response.request_id())).await)
    };
    for (method, path, key, status, logged) in [
        ("GET", "/", &*key, 200, id(&key)),
        ("GET", "/api/v1/orders/99", &key, 404, id(&key)),
        ("DELETE", "/api/v1/items/1", &key, 403, id(&key)),
        ("GET", "/", "mk_01234567_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 401, "-"),
        ("GET", "/livez", &key, 200, "-"),
    ] {
        let (got, line) = line(method, path, key).await;
        assert_eq!(got, status, "{method} {path}");
        assert!(line.ends_with(&format!(" {logged}")), "{line}");
    }
    let anonymous = db.serve(&[]).await;
    let request_id = anonymous.client.get("/").await.request_id();
    let line = anonymous.logged(&format!("s {request_id} ")).await;
    assert!(line.ends_with(" -"), "{line}");
}

async fn an_api_key_expires_after_a_year_unless_it_is_told_otherwise(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let create = async |more: &[&str]| {
        let args = ["api-key", "create", "--role", "reader", "--name", "x"];
        let output = db.run(&[&args[..], more].concat()).await;
        assert!(output.status.success(), "{}", stderr(&output));
        let key = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        let list = db.run_ok(&["api-key", "list"]).await;
        let line = list.lines().find(|line| line.starts_with(id(&key))).unwrap();
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let told = stderr(&output);
        assert!(told.contains(&format!("expires: {}", words[4])), "{told}");
        (words[3].clone(), words[4].clone())
    };
    let days = |(created, expires): (String, String)| {
        let time = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        (time(&expires) - time(&created)).num_days()
    };
    assert_eq!(days(create(&[]).await), 365);
    assert_eq!(days(create(&["--expires-in-days", "30"]).await), 30);
    assert_eq!(create(&["--no-expiry"]).await.1, "never");
    let args = ["api-key", "create", "--role", "reader", "--name", "x"];
    let both = [&args[..], &["--no-expiry", "--expires-in-days", "30"]].concat();
    assert_eq!(db.run(&both).await.status.code(), Some(2));
}
