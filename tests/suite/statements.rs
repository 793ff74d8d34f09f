//! Number of SQL statements of a request.

use serde_json::{Value, json};

use crate::{
    cases,
    harness::{
        backend::Backend,
        case::Case,
        client::{ALEX, TestResponse},
        database::TestDatabase,
    },
};

pub fn cases() -> Vec<Case> {
    cases![
        a_page_of_orders_takes_two_statements_however_many_rows_it_has,
        single_resources_take_one_statement,
        lists_of_customers_and_items_take_one_statement,
        placing_an_order_takes_as_many_statements_for_100_lines_as_for_1,
        a_stream_takes_the_same_number_of_statements_for_each_page,
        each_total_takes_one_statement,
        writes_take_the_documented_number_of_statements,
        a_welcome_takes_no_statement,
    ]
}

/// Orders of generated data are placed from 2024-01-01 to 2025-12-31.
const ALL_TIMES: &str = "2030-01-01/2000-01-01";
const NO_TIMES: &str = "2000-01-01/2000-01-01";

async fn a_page_of_orders_takes_two_statements_however_many_rows_it_has(db: &TestDatabase) {
    db.generate(400, 50, 100, 1).await;
    db.execute("UPDATE orders SET customer_id = 1 WHERE id > 5").await.unwrap();
    db.execute("UPDATE orders SET customer_id = 2 WHERE id <= 5").await.unwrap();
    let app = db.serve(&[]).await;
    assert_eq!((app.client.orders_of(1).await.len(), app.client.orders_of(2).await.len()), (95, 5));
    // On MySQL a stream has no joined first page.
    let (first, mysql_page) = if db.backend == Backend::Mysql { (0, 2) } else { (1, 0) };
    for (path, expected) in [
        // The first orders of a stream are joined with their lines; the others are a page of two statements.
        ("/api/orders/1", first + 2),
        ("/api/orders/2", first.max(mysql_page)),
        ("/api/orders/3", 1),
        (&*format!("/api/orders_between_dates/{ALL_TIMES}"), first + 2),
        (&format!("/api/orders_between_dates/{NO_TIMES}"), 1),
        ("/api/v1/orders?limit=1", 2),
        ("/api/v1/orders?limit=100", 2),
        ("/api/v1/orders?limit=100&sort=-order_time&expand=customer.address,items.item", 2),
        ("/api/v1/orders?customer_id=3", 1),
        // One more statement looks up the customer.
        ("/api/v1/customers/1/orders?limit=100", 3),
        ("/api/v1/customers/3/orders", 2),
    ] {
        let statements = app.statements_of(path).await;
        assert_eq!(statements.len(), expected, "{path}: {statements:#?}");
    }
}

async fn single_resources_take_one_statement(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for path in [
        "/api/v1/orders/1",
        "/api/v1/orders/3",
        "/api/v1/orders/1?expand=customer.address,items.item",
        "/api/v1/customers/1",
        "/api/v1/items/1",
        "/api/order_total/1",
    ] {
        let statements = app.statements_of(path).await;
        assert_eq!(statements.len(), 1, "{path}: {statements:#?}");
    }
}

async fn lists_of_customers_and_items_take_one_statement(db: &TestDatabase) {
    db.generate(400, 200, 0, 1).await;
    let app = db.serve(&[]).await;
    for path in [
        "/api/customers",
        "/api/v1/customers?limit=1",
        "/api/v1/customers?limit=100&sort=-name",
        "/api/v1/items?limit=1",
        "/api/v1/items?limit=100&sort=price",
        "/api/v1/items?name=no%20such%20item",
    ] {
        let statements = app.statements_of(path).await;
        assert_eq!(statements.len(), 1, "{path}: {statements:#?}");
    }
}

/// The customer, the items, the order, the lines. MySQL has no RETURNING: there the ORM reads the inserted order.
async fn placing_an_order_takes_as_many_statements_for_100_lines_as_for_1(db: &TestDatabase) {
    let expected = if db.backend == Backend::Mysql { 5 } else { 4 };
    db.generate(1, 100, 0, 1).await;
    let app = db.serve(&[]).await;
    for lines in [1, 10, 100] {
        let items: Vec<_> = (1..=lines).map(|id| (id, 1)).collect();
        let before = app.mark().await;
        let response = app.client.place_order(ALEX, &items).await;
        response.assert_status(201);
        let statements = app.statements_until(before, &response.request_id()).await;
        assert_eq!(statements.len(), expected, "{statements:#?}");
    }
}

/// Customers are read in pages of 500. The first orders are joined with their lines in one statement, the others read in
/// pages of 100 with a second statement for their lines.
async fn a_stream_takes_the_same_number_of_statements_for_each_page(db: &TestDatabase) {
    db.generate(1501, 20, 10_000, 7).await;
    let app = db.serve(&[]).await;
    let first = usize::from(db.backend != Backend::Mysql);
    for (path, expected) in [
        ("/api/customers", 4),
        ("/api/v1/customers/export", 4),
        (&*format!("/api/orders_between_dates/{ALL_TIMES}"), first + 100 * 2),
        ("/api/v1/orders/export", first + 100 * 2),
    ] {
        let statements = app.statements_of(path).await;
        assert_eq!(statements.len(), expected, "{path}");
    }
}

async fn each_total_takes_one_statement(db: &TestDatabase) {
    db.generate(1, 5, 100, 1).await;
    let app = db.serve(&[]).await;
    let all = (1..=100).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    for (ids, expected) in [("1", 1), ("1,2,3,999", 4), (&all, 100)] {
        let statements = app.statements_of(&format!("/api/orders_total?orders={ids}")).await;
        assert_eq!(statements.len(), expected, "{statements:#?}");
    }
}

/// MySQL has no RETURNING: there the ORM reads back each row that it inserts or updates.
async fn writes_take_the_documented_number_of_statements(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let customer = json!({"name": "Dana", "address": {"flat_number": 1, "post_code": 2}});
    let item = json!({"name": "Salt", "price": 1});
    let both = json!({"name": "Dan", "address": {"flat_number": 3}});
    for (method, path, key, body, expected, on_mysql) in [
        ("POST", "/api/v1/customers", "", &customer, 2, 4),
        ("POST", "/api/v1/items", "", &item, 1, 2),
        ("POST", "/api/v1/items", "a", &item, 1 + 3, 2 + 5),
        ("POST", "/api/v1/items", "a", &item, 1, 1),
        ("PATCH", "/api/v1/customers/4", "", &json!({"name": "Dan"}), 2, 3),
        ("PATCH", "/api/v1/customers/4", "", &both, 3, 5),
        ("PATCH", "/api/v1/items/5", "", &json!({"price": 2}), 2, 3),
        ("PATCH", "/api/v1/items/5", "", &json!({}), 1, 1),
        ("DELETE", "/api/v1/customers/4", "", &Value::Null, 4, 4),
        ("DELETE", "/api/v1/items/5", "", &Value::Null, 3, 3),
        ("DELETE", "/api/v1/items/1", "", &Value::Null, 2, 2),
    ] {
        let before = app.mark().await;
        let mut request = app.client.request(method, path);
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        let response = TestResponse::of(request).await;
        let statements = app.statements_until(before, &response.request_id()).await;
        let expected = if db.backend == Backend::Mysql { on_mysql } else { expected };
        assert_eq!(statements.len(), expected, "{method} {path} {body}: {statements:#?}");
    }
}

async fn a_welcome_takes_no_statement(db: &TestDatabase) {
    let app = db.serve_demo().await;
    assert!(app.statements_of("/").await.is_empty());
}
