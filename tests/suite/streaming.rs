//! Streamed responses with fast and slow readers.

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
        orders_are_whole_wherever_a_page_ends,
        long_responses_are_complete_and_in_order,
        orders_with_equal_times_are_streamed_once_each,
        stalled_readers_hold_no_connection,
        a_failure_during_a_stream_closes_the_connection,
        an_empty_list_is_an_empty_array,
    ];
    if cfg!(target_os = "linux") {
        cases.extend(cases![SQLITE; memory_does_not_depend_on_the_number_of_rows]);
    }
    cases
}

async fn long_responses_are_complete_and_in_order(db: &TestDatabase) {
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
}

async fn orders_with_equal_times_are_streamed_once_each(db: &TestDatabase) {
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

/// The first page of a stream ends after some number of lines, the others after 100 orders.
async fn orders_are_whole_wherever_a_page_ends(db: &TestDatabase) {
    let sizes: [&[i64]; 9] = [
        &[64],
        &[65],
        &[30, 34],
        &[30, 35],
        &[63, 1, 1],
        &[100],
        &[100, 1, 100],
        &[1, 0, 62, 0, 2],
        &[0, 64, 0],
    ];
    db.generate(10, 100, 0, 1).await;
    let app = db.serve(&[]).await;
    let mut expected = Vec::new();
    for (customer, sizes) in (1..).zip(sizes) {
        for &lines in sizes {
            let items: Vec<_> = (1..=lines.max(1)).map(|item| (item, 1)).collect();
            let placed = app.client.place_order(customer, &items).await;
            placed.assert_status(201);
            let id = placed.json()["id"].as_i64().unwrap();
            if lines == 0 {
                let delete = format!("DELETE FROM order_items WHERE order_id = {id}");
                db.execute(&delete).await.unwrap();
            }
            expected.push((customer, id, usize::try_from(lines).unwrap()));
        }
    }
    for order in 0..150 {
        app.client.place_order(10, &[(1 + order % 100, 1)]).await.assert_status(201);
        expected.push((10, 0, 1));
    }
    let lines = |order: &Value| order["items"].as_array().unwrap().len();
    for customer in 1..=10 {
        let found: Vec<_> = app.client.orders_of(customer).await.iter().map(lines).collect();
        let of_customer = expected.iter().filter(|order| order.0 == customer);
        assert_eq!(found, of_customer.map(|order| order.2).collect::<Vec<_>>(), "{customer}");
    }
    for path in ["/api/orders_between_dates/2100-01-01/2000-01-01", "/api/v1/orders/export"] {
        let body = app.client.get(path).await.body;
        let orders: Vec<Value> = serde_json::from_str(&body).unwrap_or_else(|_| {
            body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        });
        let found: Vec<_> = orders.iter().map(lines).collect();
        assert_eq!(found, expected.iter().map(|order| order.2).collect::<Vec<_>>(), "{path}");
    }
}

/// Requests all customers and reads only the start of the response.
async fn stalled_reader(app: &App) -> TcpStream {
    let mut reader = TcpStream::connect(&app.address).await.unwrap();
    reader
        .write_all(b"GET /api/customers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
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
    let readers = ["--max-expensive-requests", "32", "--client-share", "100"];
    let app = db.serve(&[&["--max-connections", "2"], &readers[..]].concat()).await;
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
    // The service does not read pages from the database that no reader takes.
    let pages = app.echo_since(before);
    let pages = pages.iter().filter(|echo| echo.sql.contains("address")).count();
    assert!((1..32 * PAGES / 2).contains(&pages), "{pages} pages were read");

    // A reader that continues gets the rest.
    let mut rest = Vec::new();
    stalled.swap_remove(0).read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"]\r\n0\r\n\r\n"));
}

async fn a_failure_during_a_stream_closes_the_connection(db: &TestDatabase) {
    db.generate(150_000, 1, 0, 1).await;
    let app = db.serve(&[]).await;
    let mut reader = stalled_reader(&app).await;
    db.execute("ALTER TABLE address RENAME TO elsewhere").await.unwrap();
    let mut rest = Vec::new();
    let _ = reader.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "an incomplete response looks complete");
    app.logged("was cut off").await;
}

async fn an_empty_list_is_an_empty_array(db: &TestDatabase) {
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
