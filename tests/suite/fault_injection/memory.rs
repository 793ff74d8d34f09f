//! Answers that are much larger than what the server may hold of them.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{eventually, repetitions, stalled_reader, stalled_request};
use crate::{
    cases,
    harness::{app::App, backend::Backend, case::Case, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        pages_of_large_rows_end_earlier_and_go_on,
        long_answers_that_are_not_read_have_a_memory_budget,
    ];
    if cfg!(target_os = "linux") {
        cases.extend(cases![a_stalled_reader_is_dropped_after_the_write_timeout]);
    }
    cases
}

/// Numbers of orders, and of lines in each.
const ORDERS: usize = 100;
const LINES: usize = 100;

/// Character of four bytes in UTF-8.
const WIDE: &str = "\u{1f980}";

/// Creates 100 items with the longest names and descriptions, and `orders` orders of all of them, placed at one time.
async fn fill(db: &TestDatabase, orders: usize) {
    let number = |number: usize| u32::try_from(number).unwrap();
    db.generate(1, number(LINES), number(orders), 1).await;
    let wide = |length: usize| match db.backend {
        Backend::Sqlite => format!("replace(hex(zeroblob({length})), '00', '{WIDE}')"),
        Backend::Postgres | Backend::Mysql => format!("repeat('{WIDE}', {length})"),
    };
    for statement in [
        &*format!("UPDATE item SET name = {}, description = {}", wide(200), wide(2000)),
        "UPDATE orders SET order_time = '2024-01-01 00:00:00'",
        "DELETE FROM order_items",
        "INSERT INTO order_items (order_id, item_id, quantity, unit_price_cents) \
         SELECT orders.id, item.id, 1, item.price_cents FROM orders CROSS JOIN item",
    ] {
        db.execute(statement).await.expect(statement);
    }
}

async fn pages_of_large_rows_end_earlier_and_go_on(db: &TestDatabase) {
    fill(db, ORDERS).await;
    let app = App::start_without_echo(&db.url, &[]).await;
    app.client.get("/api/v1/orders?limit=1").await.assert_status(200);
    let idle = app.peak_memory();
    for (sort, is_descending) in [("id", false), ("-order_time", true)] {
        for expand in ["", "&expand=items.item,customer"] {
            let start = format!("/api/v1/orders?limit={ORDERS}&sort={sort}{expand}");
            let (mut seen, mut pages, mut largest) = (Vec::new(), 0, 0);
            let mut url = start.clone();
            loop {
                let page = app.client.get(&url).await;
                page.assert_status(200);
                largest = largest.max(page.body.len());
                let body: Value = serde_json::from_str(&page.body).unwrap();
                for order in body["data"].as_array().unwrap() {
                    assert_eq!(order["items"].as_array().unwrap().len(), LINES);
                    seen.push(order["id"].as_i64().unwrap());
                }
                pages += 1;
                let Some(cursor) = body["next_cursor"].as_str() else { break };
                url = format!("{start}&cursor={cursor}");
            }
            let mut ids: Vec<i64> = (1..=100).collect();
            if is_descending {
                ids.reverse();
            }
            assert_eq!(seen, ids, "{start}");
            assert!(largest <= 4 * 1024 * 1024 + 1024, "{start}: {largest}");
            // The pages are not shorter than necessary.
            let all = if expand.is_empty() { 9 } else { 100 };
            assert!(pages <= all / 3 + 1, "{start}: {pages} pages");
        }
    }
    let least = [("MARKETSVC_MAX_PAGE_BYTES", "1048576")];
    let other = App::start_with(&db.url, &[], &least).await;
    let page = other.client.get("/api/v1/orders?limit=100&expand=items.item").await.body;
    assert!((800_000..=1024 * 1024).contains(&page.len()), "{}", page.len());
    let export = app.client.get("/api/v1/orders/export").await;
    assert_eq!(export.body.lines().count(), ORDERS);
    let grown = app.peak_memory() - idle;
    println!("fault injection: {} pages of large rows: {grown} kB more memory", db.backend.name());
    if cfg!(target_os = "linux") {
        assert!(grown < 64 * 1024, "{grown} kB more memory");
    }
}

async fn long_answers_that_are_not_read_have_a_memory_budget(db: &TestDatabase) {
    fill(db, ORDERS).await;
    // On a slow machine the first readers would be dropped before the last ones ask.
    let app = App::start_without_echo(&db.url, &["--write-timeout", "600"]).await;
    app.client.get("/api/v1/orders?limit=1").await.assert_status(200);
    let idle = app.peak_memory();
    let (mut stalled, mut accepted, mut refused) = (Vec::new(), 0, 0);
    for _ in 0..100 {
        let path = "/api/v1/orders?limit=100&expand=items.item";
        let (reader, status) = stalled_request(&app.address, path, "").await;
        stalled.push(reader);
        match status.as_str() {
            "200" => accepted += 1,
            "503" => refused += 1,
            _ => panic!("{status}"),
        }
    }
    // A quarter of 64 MiB, in answers of nearly 4 MiB.
    assert!((3..=5).contains(&accepted), "{accepted} accepted");
    assert_eq!(refused, 100 - accepted);
    app.client.get("/api/v1/orders/1").await.assert_status(200);
    let metrics = app.client.get("/metrics").await.body;
    let shed = r#"marketsvc_http_requests_shed_total{reason="answers_of_client"}"#;
    assert!(metrics.contains(&format!("{shed} {refused}")), "{metrics}");
    let grown = app.peak_memory() - idle;
    println!("fault injection: {} 100 unread pages: {grown} kB more memory", db.backend.name());
    if cfg!(target_os = "linux") {
        assert!(grown < 96 * 1024, "{grown} kB more memory");
    }
    drop(stalled);
    let again =
        async || app.client.get("/api/v1/orders?limit=100&expand=items.item").await.status == 200;
    eventually("the budget is free again", again).await;
}

async fn a_stalled_reader_is_dropped_after_the_write_timeout(db: &TestDatabase) {
    let readers = repetitions("FAULT_READERS", 40);
    fill(db, 3 * ORDERS).await;
    // More streams than a client, and all clients, may have by default.
    let budget = ["--max-expensive-requests", "500", "--client-share", "100"];
    let args = [&["--write-timeout", "3"][..], &budget].concat();
    let app = App::start_without_echo(&db.url, &args).await;
    app.client.get("/api/v1/orders?limit=1").await.assert_status(200);
    let idle = app.peak_memory();
    let started = Instant::now();
    let mut stalled = Vec::new();
    for _ in 0..readers {
        stalled.push(stalled_reader(&app.address, "/api/v1/orders/export").await);
    }
    let slow = tokio::spawn(read_slowly(
        stalled_reader(&app.address, "/api/v1/orders/export").await,
        Duration::from_secs(6),
    ));
    // Nothing is read until the server has dropped the connections.
    let dropped = format!("connections_closed_total{{reason=\"write_timeout\"}} {readers}\n");
    let are_dropped = async || app.client.get("/metrics").await.body.contains(&dropped);
    eventually("the readers are dropped", are_dropped).await;
    let took = started.elapsed();
    let grown = app.peak_memory() - idle;
    println!(
        "fault injection: {} {readers} stalled exports: {grown} kB more memory, dropped after {took:.1?}",
        db.backend.name()
    );
    assert!(grown < i64::from(readers) * 96 * 1024 / 40, "{grown} kB more for {readers} readers");
    for mut reader in stalled {
        let mut rest = Vec::new();
        let end = reader.read_to_end(&mut rest).await;
        assert!(end.is_err() || !rest.ends_with(b"\r\n0\r\n\r\n"), "the export seems complete");
    }
    assert!(slow.await.unwrap(), "a reader that makes progress should not be dropped");
}

/// Reads 16 KiB twenty times a second. Returns whether the server still sends after `duration`.
async fn read_slowly(mut reader: TcpStream, duration: Duration) -> bool {
    let started = Instant::now();
    while started.elapsed() < duration {
        if reader.read_exact(&mut [0; 16 * 1024]).await.is_err() {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}
