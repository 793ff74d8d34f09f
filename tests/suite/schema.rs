//! Constraints and settings of the database, checked without the service.

use crate::{
    cases,
    harness::{case::Case, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![the_database_enforces_its_constraints, times_have_microsecond_precision];
    cases.extend(cases![SQLITE; sqlite_is_set_up_for_durability]);
    cases
}

async fn the_database_enforces_its_constraints(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
    for (rule, sql) in [
        ("quantity > 0", "UPDATE order_items SET quantity = 0"),
        ("price ≥ 0", "UPDATE item SET price_cents = -1"),
        ("unit price ≥ 0", "UPDATE order_items SET unit_price_cents = -1"),
        ("an address is one customer's", "UPDATE customer SET address_id = 1 WHERE id = 2"),
        ("a customer has an address", "UPDATE customer SET address_id = 99 WHERE id = 2"),
        ("a customer has a name", "UPDATE customer SET name = NULL"),
        ("an order has a customer", "UPDATE orders SET customer_id = 99"),
        ("a line has an item", "UPDATE order_items SET item_id = 99 WHERE quantity = 1"),
        ("an item is once in an order", "INSERT INTO order_items VALUES (1, 1, 1, 1)"),
        ("a customer with orders stays", "DELETE FROM customer WHERE id = 1"),
        ("an item that was ordered stays", "DELETE FROM item WHERE id = 1"),
        ("an order with lines stays", "DELETE FROM orders WHERE id = 1"),
    ] {
        assert!(db.execute(sql).await.is_err(), "{rule}");
    }
}

async fn times_have_microsecond_precision(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let mut micros = 0;
    for _ in 0..20 {
        let order = app.client.place_order(1, &[(1, 1)]).await.json();
        let time = order["order_time"].as_str().unwrap();
        let found = app.client.get_json(&format!("/api/orders_between_dates/{time}/{time}")).await;
        assert_eq!(found[0]["order_id"], order["id"]);
        assert_eq!(found[0]["order_time"], time);
        micros += usize::from(time.len() == "2024-03-18T10:30:00.123456Z".len());
    }
    assert!(micros > 0);
}

/// `synchronous` is a setting of each connection, so a test of the service checks that.
async fn sqlite_is_set_up_for_durability(db: &TestDatabase) {
    use sea_orm::{ConnectionTrait, DbBackend, Statement};
    let _app = db.serve_demo().await;
    let connection = db.connect().await;
    let query = async |sql: &str| -> String {
        let row = connection.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await;
        row.unwrap().unwrap().try_get_by_index(0).unwrap()
    };
    assert_eq!(query("PRAGMA journal_mode").await, "wal");
    // Before 3.51.3 a reset of the write-ahead log could corrupt the file.
    let version = query("SELECT sqlite_version()").await;
    let numbers: Vec<u32> = version.split('.').map(|number| number.parse().unwrap()).collect();
    assert!(numbers >= vec![3, 51, 3], "{version}");
}
