//! Which requests count as one client's: by address, by network, and as named by trusted proxies.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use crate::{
    auth::create_api_key,
    cases,
    harness::{
        app::App,
        case::Case,
        client::{Client, TestResponse},
        database::{TestDatabase, stderr},
    },
};

/// Another address than the `127.0.0.1` of the other clients.
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

pub fn cases() -> Vec<Case> {
    let mut cases = cases![SQLITE;
        arguments_for_clients_are_checked,
        shed_requests_are_summarised,
    ];
    if cfg!(target_os = "linux") {
        cases.extend(cases![refusals_are_limited_per_address,]);
        cases.extend(cases![SQLITE;
            refusals_are_limited_by_default,
            only_a_trusted_proxy_names_the_client,
            the_header_of_the_proxies_can_be_chosen,
        ]);
    }
    cases
}

async fn get(client: &Client, header: (&str, &str)) -> TestResponse {
    TestResponse::of(client.request("GET", "/").header(header.0, header.1)).await
}

async fn with_key(client: &Client, method: &str, api_key: &str) -> TestResponse {
    TestResponse::of(client.request(method, "/api/v1/items/1").bearer_auth(api_key)).await
}

/// Returns how many of 30 requests, each with its own header, are refused because of their number.
async fn refused(client: &Client, header: impl Fn(u32) -> (&'static str, String)) -> usize {
    let requests = (0..30).map(|n| {
        let (name, value) = header(n);
        async move { get(client, (name, &value)).await.status == 429 }
    });
    join_all(requests).await.into_iter().filter(|refused| *refused).count()
}

async fn refusals_are_limited_per_address(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
    let [used, new, other] = [
        create_api_key(db, "reader").await,
        create_api_key(db, "reader").await,
        create_api_key(db, "reader").await,
    ];
    let app = db.serve(&["--auth", "required", "--rate-of-refusals", "1"]).await;
    let elsewhere = app.client.at_address(ELSEWHERE);
    with_key(&app.client, "GET", &used).await.assert_status(200);
    let wrong = format!("mk_00000000_{}", "A".repeat(43));
    for (expected, method, api_key) in [(401, "GET", wrong.as_str()), (403, "DELETE", &other)] {
        let answers = join_all((0..20).map(|_| with_key(&app.client, method, api_key))).await;
        let refusals = answers.iter().filter(|answer| answer.status == 429).count();
        assert!(
            refusals > 0 && answers.iter().all(|a| [429, expected].contains(&a.status.as_u16()))
        );
        let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
        refused.assert_problem(429);
        assert_eq!(refused.header("retry-after"), "1");
        // The address is blocked until its next refusal is within the rate; a key in use is not.
        with_key(&app.client, "GET", &new).await.assert_problem(429);
        with_key(&app.client, "GET", &used).await.assert_status(200);
        // Other addresses are not affected.
        with_key(&elsewhere, "GET", &wrong).await.assert_problem(401);
        with_key(&elsewhere, "GET", &other).await.assert_status(200);
        sleep(Duration::from_millis(2500)).await;
        with_key(&app.client, "GET", &wrong).await.assert_problem(401);
    }
    with_key(&app.client, "GET", &new).await.assert_status(200);
}

async fn refusals_are_limited_by_default(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let app = db.serve(&["--auth", "required"]).await;
    let mut refused = 0;
    for _ in 0..40 {
        let answers = join_all((0..50).map(|_| app.client.get("/"))).await;
        refused += answers.iter().filter(|answer| answer.status == 429).count();
    }
    assert!(refused > 0, "2000 refusals");
    app.client.at_address(ELSEWHERE).get("/").await.assert_problem(401);

    let unlimited = db.serve(&["--auth", "required", "--rate-of-refusals", "0"]).await;
    for _ in 0..10 {
        for answer in join_all((0..50).map(|_| unlimited.client.get("/"))).await {
            answer.assert_problem(401);
        }
    }
}

async fn only_a_trusted_proxy_names_the_client(db: &TestDatabase) {
    const HEADER: &str = "x-forwarded-for";
    db.run_ok(&["migrate", "up"]).await;
    let limits = ["--rate-per-address", "5"];
    let proxies = ["--trusted-proxies", "10.0.0.0/8,127.0.0.1"];
    let app = db.serve(&[limits, proxies].concat()).await;
    // Each named client has a rate of its own, and what it wrote itself before the address that the proxy appends does not count.
    assert!(refused(&app.client, |n| (HEADER, format!("192.0.2.{n}"))).await == 0);
    let forged = |n| (HEADER, format!("203.0.113.{n}, 198.51.100.7, 10.1.2.3"));
    assert!(refused(&app.client, forged).await > 0);
    app.logged_together(&["access", " 198.51.100.7 \"GET / "]).await;
    // A network of IPv6 is one client.
    let same_network = |n| (HEADER, format!("[2001:db8:0:1::{n:x}]:4711"));
    assert!(refused(&app.client, same_network).await > 0);
    assert_eq!(get(&app.client, (HEADER, "2001:db8:0:2::1")).await.status, 200);
    // Everything that is not an address counts as the proxy.
    assert!(refused(&app.client, |n| (HEADER, format!("192.0.2.{n}, unknown"))).await > 0);
    // Another peer cannot name a client.
    let elsewhere = app.client.at_address(ELSEWHERE);
    assert!(refused(&elsewhere, |n| (HEADER, format!("192.0.2.{n}"))).await > 0);

    let without = db.serve(&limits).await;
    assert!(refused(&without.client, |n| (HEADER, format!("192.0.2.{n}"))).await > 0);
}

async fn the_header_of_the_proxies_can_be_chosen(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let env = [
        ("MARKETSVC_TRUSTED_PROXIES", "127.0.0.0/8"),
        ("MARKETSVC_FORWARDED_HEADER", "forwarded"),
        ("MARKETSVC_RATE_PER_ADDRESS", "5"),
    ];
    let app = App::start_with(&db.url, &[], &env).await;
    let each = |n| ("forwarded", format!("for=\"unfinished, for=\"192.0.2.{n}\";proto=https"));
    assert!(refused(&app.client, each).await == 0);
    let same = |n| ("forwarded", format!("for=192.0.2.{n}, for=\"[2001:db8::1]:{}\"", 1000 + n));
    assert!(refused(&app.client, same).await > 0);
    assert!(refused(&app.client, |n| ("x-forwarded-for", format!("192.0.2.{n}"))).await > 0);
}

async fn arguments_for_clients_are_checked(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    for wrong in [
        ["--trusted-proxies", "proxy.example"],
        ["--trusted-proxies", "10.0.0.0/33"],
        ["--forwarded-header", "x-real-ip"],
        ["--client-share", "0"],
        ["--client-share", "101"],
    ] {
        let output = db.run(&["serve", wrong[0], wrong[1]]).await;
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(stderr(&output).contains("invalid value"), "{}", stderr(&output));
    }
}

async fn shed_requests_are_summarised(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let app = db.serve(&["--rate-per-address", "5"]).await;
    let before = app.mark().await;
    let mut refused = 0;
    for _ in 0..10 {
        let answers = join_all((0..50).map(|_| app.client.get("/"))).await;
        refused += answers.iter().filter(|answer| answer.status == 429).count();
    }
    assert!(refused > 100, "{refused}");
    let metric = r#"marketsvc_http_requests_shed_total{reason="rate_per_address"}"#;
    let counted = app.metric(metric).await;
    let expected = f64::from(u32::try_from(refused).unwrap());
    assert!((counted - expected).abs() < 0.5, "{counted} of {refused}");
    // The requests may be refused in more than one interval, and all are in summaries in the end.
    let mut summarised = 0;
    while summarised < refused {
        sleep(Duration::from_millis(100)).await;
        let log = app.log()[before..].to_vec();
        let numbers =
            log.iter().filter_map(|line| line.split_once("because of limits, rate_per_address: "));
        summarised = numbers.map(|(_, number)| number.parse::<usize>().unwrap()).sum();
    }
    assert_eq!(summarised, refused);
    let log = app.log()[before..].to_vec();
    assert!(log.len() < 500 - refused + 20, "{} lines for {refused} refusals", log.len());
    assert!(!log.iter().any(|line| line.contains(" 429 ")), "a line for each request");
}
