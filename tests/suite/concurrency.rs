//! Concurrent requests and disconnecting clients.

use futures_util::future::join_all;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    cases,
    harness::{
        case::Case,
        client::{ALEX, BLAKE, BREAD, Client, KIT_KAT, MILK, TestResponse},
        database::TestDatabase,
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        concurrent_orders_are_all_stored_whole,
        a_refused_order_does_not_affect_concurrent_orders,
        a_disconnecting_client_never_leaves_a_partial_order,
        a_failed_total_stops_the_remaining_totals,
    ];
    cases.extend(cases![SQLITE; reads_do_not_wait_for_a_write]);
    cases
}

async fn concurrent_orders_are_all_stored_whole(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let placing = (0..64).map(|n| {
        let customer = if n % 2 == 0 { ALEX } else { BLAKE };
        let client = app.client.clone();
        async move { client.place_order(customer, &[(MILK, 1), (KIT_KAT, 2), (BREAD, 3)]).await }
    });
    let mut ids: Vec<_> = join_all(placing)
        .await
        .iter()
        .map(|response| response.assert_status(201).json()["id"].as_i64().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 64);
    assert_eq!(db.count("order_items").await, 5 + 3 * 64);
    assert_eq!(app.client.orders_of(ALEX).await.len(), 1 + 32);
    for order in &app.client.orders_of(BLAKE).await[1..] {
        assert_eq!(order["items"].as_array().unwrap().len(), 3);
    }
}

/// SQLite commits concurrent orders in one transaction (group commit), but accepts or refuses each on its own.
async fn a_refused_order_does_not_affect_concurrent_orders(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let placing = (0..90).map(|n| {
        let client = app.client.clone();
        async move {
            match n % 6 {
                0 => (201, client.place_order(ALEX, &[(MILK, 1), (BREAD, 2)]).await),
                1 => (400, client.place_order(ALEX, &[(MILK, 1), (99, 1)]).await),
                2 => (404, client.delete("/api/v1/items/99").await),
                3 => (201, place_with_key(&client, n, BREAD).await),
                4 => (422, place_with_key(&client, n, 99).await),
                _ => (409, client.delete("/api/v1/items/1").await),
            }
        }
    });
    for (status, response) in join_all(placing).await {
        response.assert_status(status);
        if status == 201 {
            let order = format!("/api/v1/orders/{}", response.json()["id"]);
            assert_eq!(app.client.get_json(&order).await, response.json());
        }
    }
    assert_eq!(db.count("orders").await, 3 + 30);
    assert_eq!(db.count("order_items").await, 5 + 2 * 30);
    assert_eq!(db.count("idempotency_keys").await, 15);
}

/// Places an order of milk and `item` with an idempotency key.
async fn place_with_key(client: &Client, n: usize, item: i64) -> TestResponse {
    let lines = json!([{"id": MILK, "quantity": 1}, {"id": item, "quantity": 2}]);
    let request = client.request("POST", "/api/v1/orders");
    let request = request.header("idempotency-key", format!("order-{n}"));
    TestResponse::of(request.json(&json!({"customer_id": ALEX, "items": lines}))).await
}

async fn a_disconnecting_client_never_leaves_a_partial_order(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let body = r#"{"customer_id":1,"items":[{"id":1,"quantity":1},{"id":2,"quantity":1}]}"#;
    let request = format!(
        "POST /api/add_new_order HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for n in 0..40 {
        let mut client = TcpStream::connect(&app.address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_micros(n * 100)).await;
    }
    let mut placed = 0;
    for _ in 0..100 {
        placed = app.client.orders_of(ALEX).await.len() - 1;
        if placed > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(placed > 0, "none of the orders was placed");
    // No connection, transaction or lock is left over.
    for _ in 0..20 {
        app.client.place_order(BLAKE, &[(MILK, 1), (KIT_KAT, 1)]).await.assert_status(201);
    }
    let orders = app.client.orders_of(ALEX).await;
    assert!(orders.iter().skip(1).all(|order| order["items"].as_array().unwrap().len() == 2));
    let incomplete = "SELECT count(*) AS n FROM orders WHERE id > 3 AND \
                  (SELECT count(*) FROM order_items WHERE order_id = orders.id) <> 2";
    assert_eq!(db.number(incomplete).await, 0);
}

async fn a_failed_total_stops_the_remaining_totals(db: &TestDatabase) {
    let app = db.serve_demo().await;
    // A total above the maximum, which the service itself would refuse to store.
    db.execute("UPDATE order_items SET unit_price_cents = 900000000000000 WHERE order_id = 2")
        .await
        .unwrap();
    let ids =
        std::iter::once("2").chain(std::iter::repeat_n("1", 999)).collect::<Vec<_>>().join(",");
    let before = app.mark().await;
    let response = app.client.get(&format!("/api/orders_total?orders={ids}")).await;
    response.assert_problem(500);
    let statements = app.statements_until(before, &response.request_id()).await;
    assert!(
        (1..100).contains(&statements.len()),
        "{} of 1000 totals were started",
        statements.len()
    );
    assert_eq!(app.client.get_json("/api/orders_total?orders=1,3").await, json!([30, 0]));
}

async fn reads_do_not_wait_for_a_write(db: &TestDatabase) {
    use sea_orm::ConnectionTrait;
    let app = db.serve_demo().await;
    let writer = db.connect().await;
    writer.execute_unprepared("BEGIN EXCLUSIVE").await.unwrap();
    writer.execute_unprepared("UPDATE item SET price_cents = 1").await.unwrap();

    let reads = (0..50).map(|_| app.client.get_json("/api/orders/1"));
    for orders in join_all(reads).await {
        assert_eq!(orders[0]["items"][0]["price"], 5);
    }
    // Another writer waits for the lock and is refused with 503 after the timeout.
    let response = app.client.place_order(ALEX, &[(MILK, 1)]).await;
    response.assert_problem(503);
    assert_eq!(response.header("retry-after"), "1");

    writer.execute_unprepared("ROLLBACK").await.unwrap();
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
}
