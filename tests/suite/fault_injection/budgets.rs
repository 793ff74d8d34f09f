//! Clients that hold what others need: expensive requests, half-sent bodies, all places, and requests whose client left.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{eventually, lock_orders, stalled_reader_with, unlock_orders};
use crate::{
    auth::create_api_key,
    cases,
    harness::{
        app::{App, EVENT_TIMEOUT},
        backend::Backend,
        case::Case,
        client::{ALEX, MILK, TestResponse},
        database::TestDatabase,
    },
};

const REPORT: &str =
    "/api/v1/reports/best-sellers?from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";
const ORDER: &str = r#"{"customer_id":1,"items":[{"id":1,"quantity":1}]}"#;
const EXPENSIVE: &str = r#"marketsvc_http_budget_in_use{budget="expensive"}"#;
const BODY_BYTES: &str = r#"marketsvc_http_budget_in_use{budget="body_bytes"}"#;
const IN_FLIGHT: &str = "marketsvc_http_requests_in_flight";

pub fn cases() -> Vec<Case> {
    let mut cases =
        cases![one_client_cannot_take_all_places, a_request_ends_soon_after_its_client_left,];
    if cfg!(target_os = "linux") {
        cases.extend(cases![
            expensive_requests_have_a_budget_in_all_and_per_client,
            half_sent_bodies_delay_no_other_request,
        ]);
        cases.extend(cases![SQLITE; half_sent_bodies_have_a_memory_budget]);
    }
    cases
}

async fn get(app: &App, path: &str, api_key: &str) -> TestResponse {
    TestResponse::of(app.client.request("GET", path).bearer_auth(api_key)).await
}

async fn place(app: &App, api_key: &str) -> TestResponse {
    let order = json!({"customer_id": ALEX, "items": [{"id": MILK, "quantity": 1}]});
    let request = app.client.request("POST", "/api/v1/orders").bearer_auth(api_key);
    TestResponse::of(request.json(&order)).await
}

#[track_caller]
fn assert_refused(response: &TestResponse, expected: &str) {
    let problem = response.assert_problem(503);
    assert_eq!(response.header("retry-after"), "1");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(expected), "{detail}");
}

/// Readers of long lists that do not continue hold the budget for as long as they are connected.
async fn expensive_requests_have_a_budget_in_all_and_per_client(db: &TestDatabase) {
    db.generate(60_000, 10, 10, 1).await;
    let [one, two, three] = [
        create_api_key(db, "reader").await,
        create_api_key(db, "reader").await,
        create_api_key(db, "writer").await,
    ];
    let budget = ["--max-expensive-requests", "4", "--client-share", "50"];
    let app = db.serve(&[&["--auth", "required"], &budget[..]].concat()).await;
    let stalled = async |api_key: &str, path: &str| {
        let header = format!("Authorization: Bearer {api_key}\r\n");
        stalled_reader_with(&app.address, path, &header).await
    };
    let readers_of_one =
        [stalled(&one, "/api/customers").await, stalled(&one, "/api/v1/customers/export").await];
    for path in ["/api/customers", "/api/v1/customers/export", REPORT] {
        assert_refused(&get(&app, path, &one).await, "long lists of this client at the same time");
    }
    let _readers_of_two =
        [stalled(&two, "/api/customers").await, stalled(&two, "/api/customers").await];
    for path in ["/api/v1/customers/export", REPORT] {
        assert_refused(&get(&app, path, &three).await, "long lists at the same time");
    }
    assert!((app.metric(EXPENSIVE).await - 4.0).abs() < 0.5);

    // Other requests need nothing of the budget, and neither does a list of one page.
    let started = Instant::now();
    for api_key in [&one, &two, &three] {
        get(&app, "/api/v1/orders/1", api_key).await.assert_status(200);
        get(&app, "/api/v1/customers", api_key).await.assert_status(200);
        get(&app, "/api/v1/orders/export", api_key).await.assert_status(200);
        get(&app, "/api/orders_between_dates/2100-01-01/2000-01-01", api_key)
            .await
            .assert_status(200);
    }
    place(&app, &three).await.assert_status(201);
    app.client.get("/readyz").await.assert_status(200);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());

    drop(readers_of_one);
    eventually("the budget is free again", async || get(&app, REPORT, &three).await.status == 200)
        .await;
    get(&app, REPORT, &one).await.assert_status(200);
    eventually("reports are not held", async || app.metric(EXPENSIVE).await < 2.5).await;
    let refused = app.metric("marketsvc_http_requests_shed_total{reason=\"expensive").await;
    assert!(refused > 4.5, "{refused}");
}

/// Sends the head of an order and a part of its body.
async fn half_sent_order(app: &App, api_key: &str, length: usize, part: &str) -> TcpStream {
    let mut client = TcpStream::connect(&app.address).await.unwrap();
    let head = format!(
        "POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {api_key}\r\nContent-Length: {length}\r\n\r\n{part}"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client
}

/// Reads to the end of the connection.
async fn rest(client: &mut TcpStream) -> String {
    let mut response = String::new();
    let reading = client.read_to_string(&mut response);
    timeout(EVENT_TIMEOUT, reading).await.expect("a response in time").unwrap();
    response
}

async fn half_sent_bodies_delay_no_other_request(db: &TestDatabase) {
    const BODIES: usize = 1024;
    // Every connection needs a descriptor, here and in the server.
    let own = std::process::id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &own, "--nofile=4096:"]).status();
    assert!(raised.expect("prlimit is part of util-linux").success());
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
    let [one, two] = [create_api_key(db, "writer").await, create_api_key(db, "writer").await];
    let app = db.serve(&["--auth", "required", "--rate-per-key", "100000"]).await;
    let idle = app.peak_memory();
    let mut half_sent = Vec::new();
    while half_sent.len() < BODIES {
        half_sent.push(half_sent_order(&app, &one, ORDER.len(), &ORDER[..1]).await);
        if half_sent.len().is_multiple_of(128) {
            // Requests that are authenticated at the same time have a place, and a client only a share of them.
            let all = f64::from(u32::try_from(half_sent.len()).unwrap());
            eventually("all bodies have begun, and hold no place", async || {
                app.metric(BODY_BYTES).await > all * 4096.0 && app.metric(IN_FLIGHT).await < 0.5
            })
            .await;
        }
    }
    let mut longest = Duration::ZERO;
    for api_key in [&one, &two] {
        for _ in 0..10 {
            let started = Instant::now();
            get(&app, "/api/v1/orders/1", api_key).await.assert_status(200);
            place(&app, api_key).await.assert_status(201);
            longest = longest.max(started.elapsed());
        }
    }
    assert!(longest < Duration::from_secs(2), "{longest:?} for two requests");
    // A body that becomes complete is answered.
    let mut last = half_sent.pop().unwrap();
    last.write_all(&ORDER.as_bytes()[1..]).await.unwrap();
    let response = rest(&mut last).await;
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    let grown = app.peak_memory() - idle;
    println!(
        "fault injection: {} {BODIES} half-sent bodies: {grown} kB, {longest:.1?} for a read and an order",
        db.backend.name()
    );
    drop(half_sent);
    eventually("no body is held", async || app.metric(BODY_BYTES).await < 0.5).await;
}

async fn half_sent_bodies_have_a_memory_budget(db: &TestDatabase) {
    const LENGTH: usize = 200_000;
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
    let [one, two] = [create_api_key(db, "writer").await, create_api_key(db, "writer").await];
    let budget = ["--max-pending-body-bytes", "800000", "--client-share", "50"];
    let app = db.serve(&[&["--auth", "required"], &budget[..]].concat()).await;
    let idle = app.peak_memory();
    let body = ORDER.to_owned() + &" ".repeat(LENGTH - ORDER.len());
    let (most, end) = body.split_at(LENGTH - 10);
    let mut clients = Vec::new();
    for _ in 0..32 {
        clients.push(half_sent_order(&app, &one, LENGTH, &most[..1]).await);
    }
    eventually("all bodies have begun", async || app.metric(BODY_BYTES).await > 32.0 * 4096.0)
        .await;
    for client in &mut clients {
        client.write_all(&most.as_bytes()[1..]).await.unwrap();
    }
    eventually("the budget of bodies is used up", async || {
        app.metric("marketsvc_http_requests_shed_total{reason=\"bodies_of_client\"}").await > 28.5
    })
    .await;
    assert!(app.metric(BODY_BYTES).await < 400_000.5);
    let mut others = Vec::new();
    for _ in 0..2 {
        let mut client = half_sent_order(&app, &two, ORDER.len(), &ORDER[..5]).await;
        sleep(Duration::from_millis(50)).await;
        client.write_all(&ORDER.as_bytes()[5..]).await.unwrap();
        others.push(client);
    }
    for client in &mut others {
        let response = rest(client).await;
        assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    }
    let mut statuses = Vec::new();
    for mut client in clients {
        // The server has closed the connection if it refused the body.
        let _ = client.write_all(end.as_bytes()).await;
        let mut response = Vec::new();
        let _ = timeout(EVENT_TIMEOUT, client.read_to_end(&mut response)).await.unwrap();
        let response = String::from_utf8(response).unwrap();
        statuses.push(response.split(' ').nth(1).unwrap_or("closed").to_owned());
    }
    let count = |status: &str| statuses.iter().filter(|found| *found == status).count();
    // None succeeds if all of them have arrived to the same extent when the budget is used up.
    assert!(count("201") <= 3, "{statuses:?}");
    assert_eq!(count("201") + count("503") + count("closed"), 32, "{statuses:?}");
    assert!(count("503") > 0, "{statuses:?}");
    let grown = app.peak_memory() - idle;
    assert!(grown < 32 * 1024, "{grown} kB more");
}

/// Orders wait for a lock, and with it for a place.
async fn one_client_cannot_take_all_places(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
    let [one, two] = [create_api_key(db, "writer").await, create_api_key(db, "writer").await];
    let limits = ["--max-concurrent-requests", "16", "--client-share", "25"];
    let app = db.serve(&[&["--auth", "required"], &limits[..]].concat()).await;
    for api_key in [&one, &two] {
        get(&app, "/api/v1/customers/1", api_key).await.assert_status(200);
    }
    let holder = lock_orders(db).await;
    let orders = join_all((0..64).map(|_| place(&app, &one)));
    let others = async {
        eventually("the client has its share", async || app.metric(IN_FLIGHT).await > 3.5).await;
        for _ in 0..10 {
            get(&app, "/api/v1/customers/1", &two).await.assert_status(200);
        }
        unlock_orders(db, holder).await;
    };
    let (orders, ()) = tokio::join!(orders, others);
    let refused = orders.iter().filter(|response| response.status == 503);
    let mut refusals = 0;
    for response in refused {
        assert_refused(response, "too many requests of this client at the same time");
        refusals += 1;
    }
    let placed = orders.iter().filter(|response| response.status == 201).count();
    assert!(placed >= 4 && placed + refusals == 64, "{orders:?}");
    assert!(refusals > 0);
    get(&app, "/api/v1/customers/1", &one).await.assert_status(200);
}

/// The lock is held for longer than the test waits: a report waits for it on servers, an order on SQLite, which never
/// blocks readers.
async fn a_request_ends_soon_after_its_client_left(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let holder = lock_orders(db).await;
    let request = match db.backend {
        Backend::Sqlite => format!(
            "POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{ORDER}",
            ORDER.len()
        ),
        _ => format!("GET {REPORT} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    };
    for half in [false, true] {
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = TcpStream::connect(&app.address).await.unwrap();
            client.write_all(request.as_bytes()).await.unwrap();
            clients.push(client);
        }
        eventually("requests are in flight", async || app.metric(IN_FLIGHT).await > 2.5).await;
        let left = Instant::now();
        let kept = if half {
            for client in &mut clients {
                client.shutdown().await.unwrap();
            }
            clients
        } else {
            drop(clients);
            Vec::new()
        };
        eventually("none is in flight", async || {
            app.metric(IN_FLIGHT).await < 0.5 && app.metric(EXPENSIVE).await < 0.5
        })
        .await;
        assert!(left.elapsed() < Duration::from_secs(3), "{:?}", left.elapsed());
        drop(kept);
    }
    unlock_orders(db, holder).await;
}
