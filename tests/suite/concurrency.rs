//! Many at once, some of whom leave.

use futures_util::future::join_all;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    cases,
    harness::{
        case::Case,
        client::{ALEX, BLAKE, BREAD, KIT_KAT, MILK},
        database::TestDatabase,
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        orders_placed_at_once_are_all_there_and_whole,
        one_refused_of_many_takes_none_with_it,
        a_client_that_leaves_halves_no_order,
        after_a_failed_total_no_other_is_begun,
    ];
    cases.extend(cases![SQLITE; readers_do_not_wait_for_a_writer]);
    cases
}

async fn orders_placed_at_once_are_all_there_and_whole(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let placing = (0..64).map(|n| {
        let customer = if n % 2 == 0 { ALEX } else { BLAKE };
        let client = app.client.clone();
        async move { client.place_order(customer, &[(MILK, 1), (KIT_KAT, 2), (BREAD, 3)]).await }
    });
    let mut ids: Vec<_> = join_all(placing)
        .await
        .iter()
        .map(|answer| answer.assert_status(201).json()["id"].as_i64().unwrap())
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

/// SQLite commits together what comes together, and refuses each by itself.
async fn one_refused_of_many_takes_none_with_it(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let placing = (0..90).map(|n| {
        let client = app.client.clone();
        async move {
            match n % 3 {
                0 => (201, client.place_order(ALEX, &[(MILK, 1), (BREAD, 2)]).await),
                1 => (400, client.place_order(ALEX, &[(MILK, 1), (99, 1)]).await),
                _ => (404, client.delete("/api/v1/items/99").await),
            }
        }
    });
    for (status, answer) in join_all(placing).await {
        answer.assert_status(status);
        if status == 201 {
            let order = format!("/api/v1/orders/{}", answer.json()["id"]);
            assert_eq!(app.client.get_json(&order).await, answer.json());
        }
    }
    assert_eq!(db.count("orders").await, 3 + 30);
    assert_eq!(db.count("order_items").await, 5 + 2 * 30);
}

async fn a_client_that_leaves_halves_no_order(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let body = r#"{"customer_id":1,"items":[{"id":1,"quantity":1},{"id":2,"quantity":1}]}"#;
    let request = format!(
        "POST /api/add_new_order HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
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
    assert!(placed > 0, "not one of them was carried out");
    // Nobody is left holding a connection, a transaction or a lock.
    for _ in 0..20 {
        app.client.place_order(BLAKE, &[(MILK, 1), (KIT_KAT, 1)]).await.assert_status(201);
    }
    let orders = app.client.orders_of(ALEX).await;
    assert!(orders.iter().skip(1).all(|order| order["items"].as_array().unwrap().len() == 2));
    let halved = "SELECT count(*) AS n FROM orders WHERE id > 3 AND \
                  (SELECT count(*) FROM order_items WHERE order_id = orders.id) <> 2";
    assert_eq!(db.number(halved).await, 0);
}

async fn after_a_failed_total_no_other_is_begun(db: &TestDatabase) {
    let app = db.serve_demo().await;
    // More than any order can come to: written past the service, which would refuse it.
    db.execute("UPDATE order_items SET unit_price_cents = 900000000000000 WHERE order_id = 2")
        .await
        .unwrap();
    let ids =
        std::iter::once("2").chain(std::iter::repeat_n("1", 999)).collect::<Vec<_>>().join(",");
    let before = app.mark().await;
    let answer = app.client.get(&format!("/api/orders_total?orders={ids}")).await;
    answer.assert_problem(500);
    let statements = app.statements_until(before, &answer.request_id()).await;
    assert!(statements.len() < 100, "{} of 1000 were begun", statements.len());
    assert_eq!(
        app.client.get_json("/api/orders_total?orders=1,3").await,
        serde_json::json!([30, 0])
    );
}

async fn readers_do_not_wait_for_a_writer(db: &TestDatabase) {
    use sea_orm::ConnectionTrait;
    let app = db.serve_demo().await;
    let writer = db.connect().await;
    writer.execute_unprepared("BEGIN EXCLUSIVE").await.unwrap();
    writer.execute_unprepared("UPDATE item SET price_cents = 1").await.unwrap();

    let reads = (0..50).map(|_| app.client.get_json("/api/orders/1"));
    for orders in join_all(reads).await {
        assert_eq!(orders[0]["items"][0]["price"], 5);
    }
    // Another writer waits; when that takes too long it is told to come again.
    let answer = app.client.place_order(ALEX, &[(MILK, 1)]).await;
    answer.assert_problem(503);
    assert_eq!(answer.header("retry-after"), "1");

    writer.execute_unprepared("ROLLBACK").await.unwrap();
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
}
