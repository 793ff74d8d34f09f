//! Placing orders and reading them back.

use serde_json::{Value, json};

use crate::{
    cases,
    harness::{
        case::Case,
        client::{ALEX, BLAKE, BREAD, KIT_KAT, MILK},
        database::TestDatabase,
    },
};

pub fn cases() -> Vec<Case> {
    cases![
        an_order_for_blake_is_blakes,
        a_refused_order_stores_nothing,
        all_errors_of_an_order_are_reported_at_once,
        an_order_keeps_its_prices,
        an_unknown_order_has_no_total_and_an_empty_order_totals_zero,
        names_are_returned_as_stored,
    ]
}

async fn an_order_for_blake_is_blakes(db: &TestDatabase) {
    let app = db.serve_demo().await;
    app.client.place_order(BLAKE, &[(KIT_KAT, 4)]).await.assert_status(201);
    assert_eq!(app.client.orders_of(BLAKE).await.len(), 2);
    assert_eq!(app.client.orders_of(ALEX).await.len(), 1);
}

async fn a_refused_order_stores_nothing(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let item = |id: i64, quantity: i64| json!({"id": id, "quantity": quantity});
    let many: Vec<_> = (1..=101).map(|id| item(id, 1)).collect();
    let refused = [
        (99, json!([item(1, 1)]), vec!["/customer_id"]),
        (1, json!([item(1, 1), item(99, 1)]), vec!["/items/1/id"]),
        (1, json!([]), vec!["/items"]),
        (1, json!(many), vec!["/items"]),
        (1, json!([item(1, 0)]), vec!["/items/0/quantity"]),
        (1, json!([item(1, -1)]), vec!["/items/0/quantity"]),
        (1, json!([item(1, 1 << 31)]), vec!["/items/0/quantity"]),
        (1, json!([item(1, (1 << 32) + 1)]), vec!["/items/0/quantity"]),
        (1, json!([item(1, i64::MAX)]), vec!["/items/0/quantity"]),
        (1, json!([item(2, 1), item(2, 2)]), vec!["/items/1/id"]),
    ];
    for (customer_id, items, pointers) in refused {
        let order = json!({"customer_id": customer_id, "items": items});
        let response = app.client.post("/api/add_new_order", &order).await;
        response.assert_field_errors(400, &pointers);
    }
    assert_eq!((db.count("orders").await, db.count("order_items").await), (3, 5));

    // The refused orders used up no order id.
    let placed = app.client.place_order(ALEX, &[(MILK, i64::from(i32::MAX))]).await;
    placed.assert_status(201);
    assert_eq!(placed.json()["id"], 4);
    assert_eq!(placed.json()["total"], 10_737_418_235_i64);
}

async fn all_errors_of_an_order_are_reported_at_once(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let response = app.client.place_order(0, &[(2, 0), (2, 1), (99, -5)]).await;
    response.assert_field_errors(400, &["/customer_id", "/items/0/quantity", "/items/2/quantity"]);
    let response = app.client.place_order(1, &[(98, 1), (1, 1), (1, 2), (98, 1)]).await;
    response.assert_field_errors(400, &["/items/2/id", "/items/3/id"]);
    let response = app.client.place_order(99, &[(98, 1), (1, 1), (97, 1)]).await;
    response.assert_field_errors(400, &["/customer_id", "/items/2/id", "/items/0/id"]);

    // Twice 9,999,999,999,999.99 exceeds the largest amount.
    db.execute("UPDATE item SET price_cents = 999999999999999 WHERE id = 1").await.unwrap();
    app.client.place_order(1, &[(1, 2)]).await.assert_field_errors(400, &["/items"]);
    app.client.place_order(1, &[(1, 1), (2, 1)]).await.assert_field_errors(400, &["/items"]);
    let largest = app.client.place_order(1, &[(1, 1)]).await;
    largest.assert_status(201);
    assert!(largest.body.contains(r#""total":9999999999999.99}"#), "{largest:?}");
    assert_eq!((db.count("orders").await, db.count("order_items").await), (4, 6));
}

async fn an_order_keeps_its_prices(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let before = app.client.orders_of(ALEX).await;
    db.execute("UPDATE item SET price_cents = price_cents * 2").await.unwrap();
    assert_eq!(app.client.orders_of(ALEX).await, before);
    assert_eq!(app.client.get_json("/api/order_total/1").await, json!({"Order Total": 30}));
    let new = app.client.place_order(ALEX, &[(BREAD, 1)]).await;
    assert_eq!(new.json()["total"], 21);
}

async fn an_unknown_order_has_no_total_and_an_empty_order_totals_zero(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for id in ["99", "0", "-1", "9223372036854775807"] {
        app.client.get(&format!("/api/order_total/{id}")).await.assert_problem(404);
    }
    assert_eq!(app.client.get_json("/api/order_total/3").await, json!({"Order Total": 0}));
    let totals = app.client.get_json("/api/orders_total?orders=3,99").await;
    assert_eq!(totals, json!([0, Value::Null]));
}

async fn names_are_returned_as_stored(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for name in ["Zoë 🦀 \u{202e}desrever", "a\u{301}\u{302}\u{303}", "\"\\/'; DROP TABLE item; --"]
    {
        let quoted = name.replace('\'', "''");
        let quoted = match db.backend {
            crate::harness::backend::Backend::Mysql => quoted.replace('\\', "\\\\"),
            _ => quoted,
        };
        db.execute(&format!("UPDATE customer SET name = '{quoted}' WHERE id = 2")).await.unwrap();
        db.execute(&format!("UPDATE item SET name = '{quoted}' WHERE id = 2")).await.unwrap();
        assert_eq!(app.client.get_json("/api/customers").await[1]["name"], name);
        assert_eq!(app.client.orders_of(ALEX).await[0]["items"][1]["name"], name);
    }
}
