//! Cursors that no page contained, and values that a driver cannot encode.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use serde_json::{Value, json};
use service::version::digest;

use crate::{
    cases,
    harness::{app::App, case::Case, client::BLAKE, database::TestDatabase},
};

/// Time in which every request is answered after the hostile ones.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);

pub fn cases() -> Vec<Case> {
    cases![
        a_forged_cursor_is_refused_and_costs_no_connection,
        processes_that_start_at_once_accept_each_others_cursors,
        times_at_the_ends_of_the_calendar_are_answered,
    ]
}

/// Returns the JSON that a cursor contains, for each kind of value that a driver or the database could stumble on.
fn values() -> Vec<(&'static str, Value)> {
    let times = [
        "-0001-01-01T00:00:00",
        "0000-01-01T00:00:00",
        "+10000-01-01T00:00:00",
        "+262142-12-31T23:59:59",
        "2016-12-31T23:59:60",
        "2024-01-01T00:00:00",
    ];
    let times = times.map(|time| ("order_time", json!({"Time": time})));
    let numbers = [i64::MIN, -1, i64::MAX].map(|number| ("id", json!({"Number": number})));
    [&times[..], &numbers[..]].concat()
}

/// Returns cursors that a client can make: with no signature, and with a digest of the text.
fn forged(json: &str, sort: &str) -> [String; 3] {
    let digest = digest(format!("/api/v1/orders {sort} {json}").as_bytes());
    let encode = |prefix: &[u8]| BASE64_URL_SAFE_NO_PAD.encode([prefix, json.as_bytes()].concat());
    [
        format!("{}{}", &digest[..12], encode(b"")),
        encode(&[0; 16]),
        encode(&BASE64_URL_SAFE_NO_PAD.decode(&digest).unwrap()[..16]),
    ]
}

async fn a_forged_cursor_is_refused_and_costs_no_connection(db: &TestDatabase) {
    let app = db.serve(&["--demo", "--max-connections", "2", "--acquire-timeout", "2"]).await;
    for (sort, key) in values() {
        for direction in ["", "-"] {
            let sort = format!("{direction}{sort}");
            let json = json!({"key": key, "id": 1}).to_string();
            for cursor in forged(&json, &sort) {
                let path = format!("/api/v1/orders?sort={sort}&cursor={cursor}");
                app.client.get(&path).await.assert_problem(400);
            }
        }
    }
    assert_healthy(&app).await;
}

/// Asserts that reads and writes work at once.
async fn assert_healthy(app: &App) {
    let started = Instant::now();
    for path in ["/readyz", "/api/v1/orders?sort=order_time", "/api/order_total/1"] {
        app.client.get(path).await.assert_status(200);
    }
    app.client.place_order(BLAKE, &[(1, 1)]).await.assert_status(201);
    assert!(started.elapsed() < RESPONSE_TIMEOUT, "{:?}", started.elapsed());
}

async fn processes_that_start_at_once_accept_each_others_cursors(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
    let apps = join_all((0..4).map(|_| db.serve(&[]))).await;
    assert_eq!(db.count("secrets").await, 1);
    for one in &apps {
        let page = one.client.get_json("/api/v1/items?sort=name&limit=1").await;
        let next =
            format!("/api/v1/items?sort=name&cursor={}", page["next_cursor"].as_str().unwrap());
        for other in &apps {
            other.client.get(&next).await.assert_status(200);
        }
    }
    let shown = apps.iter().flat_map(App::log).any(|line| line.contains("INSERT INTO secrets"));
    assert!(!shown, "the echo shows no secret");

    // Another database has another secret, also if it was made anew while the process runs.
    let page = apps[0].client.get_json("/api/v1/items?sort=name&limit=1").await;
    let next = format!("/api/v1/items?sort=name&cursor={}", page["next_cursor"].as_str().unwrap());
    db.run_ok(&["migrate", "fresh"]).await;
    let later = db.serve(&["--demo"]).await;
    later.client.get(&next).await.assert_problem(400);
}

async fn times_at_the_ends_of_the_calendar_are_answered(db: &TestDatabase) {
    let app = db.serve(&["--demo", "--max-connections", "2", "--acquire-timeout", "2"]).await;
    let ends = [
        "0001-01-01",
        "0001-01-01T00:00:00%2B14:00",
        "9999-12-31",
        "9999-12-31T23:59:59.999999-14:00",
        "2016-12-31T23:59:60Z",
        "0000-12-31",
        "10000-01-01",
        "%2B10000-01-01",
        "-0001-01-01",
    ];
    for from in ends {
        for to in ends {
            for path in [
                format!("/api/v1/orders?placed_from={from}&placed_before={to}"),
                format!("/api/v1/orders/export?placed_from={from}&placed_before={to}"),
                format!("/api/v1/reports/revenue?from={from}&to={to}&by=month"),
                format!("/api/v1/reports/best-sellers?from={from}&to={to}"),
                format!("/api/orders_between_dates/{from}/{to}"),
            ] {
                let response = app.client.get(&path).await;
                assert!(
                    [200, 400, 422].contains(&response.status.as_u16()),
                    "{path}: {response:?}"
                );
            }
        }
    }
    assert_healthy(&app).await;
}
