//! Long answers, fast and slow readers.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    cases,
    harness::{app::App, case::Case, client::MILK, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        a_long_answer_is_whole_and_in_order,
        orders_of_the_same_moment_are_neither_skipped_nor_repeated,
        stalled_readers_hold_no_connection,
        a_failure_midway_cuts_the_connection,
        an_empty_answer_is_an_empty_array,
    ];
    if cfg!(target_os = "linux") {
        cases.extend(cases![SQLITE; memory_does_not_depend_on_the_number_of_rows]);
    }
    cases
}

async fn a_long_answer_is_whole_and_in_order(db: &TestDatabase) {
    db.generate(1501, 20, 1700, 7).await;
    let app = db.serve(&[]).await;
    let customers = app.client.get_json("/api/customers").await;
    let customers = customers.as_array().unwrap();
    assert_eq!(customers.len(), 1501);
    assert!(customers.iter().all(|customer| customer["address"]["post_code"].is_i64()));

    let orders = app.client.get_json("/api/orders_between_dates/2030-01-01/2000-01-01").await;
    let orders = orders.as_array().unwrap();
    let ids: Vec<_> = orders.iter().map(|order| order["order_id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=1700).collect::<Vec<_>>());
    let lines: usize = orders.iter().map(|order| order["items"].as_array().unwrap().len()).sum();
    assert_eq!(i64::try_from(lines).unwrap(), db.count("order_items").await);
    assert_eq!(app.statements_of("/api/customers").await.len(), 4, "one a page of 500");
    let path = "/api/orders_between_dates/2030-01-01/2000-01-01";
    assert_eq!(app.statements_of(path).await.len(), 17, "one a page of 100");
}

async fn orders_of_the_same_moment_are_neither_skipped_nor_repeated(db: &TestDatabase) {
    db.generate(3, 5, 1600, 1).await;
    db.execute("UPDATE orders SET order_time = (SELECT t FROM (SELECT order_time AS t FROM orders WHERE id = 9) x) WHERE id > 50")
        .await
        .unwrap();
    let app = db.serve(&[]).await;
    let orders = app.client.get_json("/api/orders_between_dates/2030-01-01/2000-01-01").await;
    let key = |order: &Value| {
        (order["order_time"].as_str().unwrap().to_owned(), order["order_id"].as_i64().unwrap())
    };
    let keys: Vec<_> = orders.as_array().unwrap().iter().map(key).collect();
    assert_eq!(keys.len(), 1600);
    assert!(keys.is_sorted_by(|a, b| a < b));
}

/// Asks for all customers and reads no more than the start.
async fn stalled_reader(app: &App) -> TcpStream {
    let mut reader = TcpStream::connect(&app.address).await.unwrap();
    reader
        .write_all(b"GET /api/customers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut start = [0; 512];
    reader.read_exact(&mut start).await.unwrap();
    assert!(start.starts_with(b"HTTP/1.1 200 OK"));
    reader
}

async fn stalled_readers_hold_no_connection(db: &TestDatabase) {
    const PAGES: usize = 300;
    db.generate(500 * u32::try_from(PAGES).unwrap(), 10, 10, 1).await;
    let app = db.serve(&["--max-connections", "2"]).await;
    let before = app.mark().await;
    let mut stalled = Vec::new();
    for _ in 0..32 {
        stalled.push(stalled_reader(&app).await);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..20 {
        app.client.get("/api/order_total/1").await.assert_status(200);
        app.client.place_order(1, &[(MILK, 1)]).await.assert_status(201);
    }
    // The rest was not read from the database for nobody.
    let pages = app.log()[before..].iter().filter(|line| line.contains("address")).count();
    assert!(pages < 32 * PAGES / 2, "{pages} pages were read");

    // Who wakes up gets the rest.
    let mut rest = Vec::new();
    stalled.swap_remove(0).read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"]\r\n0\r\n\r\n"));
}

async fn a_failure_midway_cuts_the_connection(db: &TestDatabase) {
    db.generate(150_000, 1, 0, 1).await;
    let app = db.serve(&[]).await;
    let mut reader = stalled_reader(&app).await;
    db.execute("ALTER TABLE address RENAME TO elsewhere").await.unwrap();
    let mut rest = Vec::new();
    let _ = reader.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "a part was passed off as the whole");
    app.logged("an answer was cut off").await;
}

async fn an_empty_answer_is_an_empty_array(db: &TestDatabase) {
    let app = db.serve(&["--migrate"]).await;
    for path in
        ["/api/customers", "/api/orders/1", "/api/orders_between_dates/2030-01-01/2000-01-01"]
    {
        assert_eq!(app.client.get(path).await.body, "[]", "{path}");
    }
}

async fn memory_does_not_depend_on_the_number_of_rows(db: &TestDatabase) {
    db.generate(100_000, 1, 0, 1).await;
    let app = db.serve(&[]).await;
    app.client.get("/api/order_total/1").await;
    let idle = app.peak_memory();
    assert_eq!(app.client.get_json("/api/customers").await.as_array().unwrap().len(), 100_000);
    let export = app.client.get("/api/v1/customers/export").await;
    assert_eq!(export.body.lines().count(), 100_000);
    let grown = app.peak_memory() - idle;
    assert!(grown < 16 * 1024, "{grown} kB more for 100,000 rows");
}
