//! Single customers, items and orders.

use serde_json::{Value, json};

use crate::{
    cases,
    harness::{case::Case, client::TestResponse, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![
        a_customer_can_be_created_changed_and_deleted,
        an_item_can_be_created_changed_and_deleted,
        customers_and_items_with_orders_cannot_be_deleted,
        an_order_includes_its_lines_and_total,
        expand_loads_the_named_relations_and_no_others,
        an_unknown_relation_is_refused_with_a_list_of_the_known,
        unknown_resources_are_404_and_unknown_methods_405,
    ]
}

async fn a_customer_can_be_created_changed_and_deleted(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let new = json!({"name": "Dana", "address": {"flat_number": 7, "post_code": 10007}});
    let created = app.client.post("/api/v1/customers", &new).await;
    created.assert_status(201);
    let dana = json!({"id": 4, "name": "Dana", "address": {"flat_number": 7, "post_code": 10007}});
    assert_eq!(created.json(), dana);
    assert_eq!(created.header("location"), "/api/v1/customers/4");
    let path = created.header("location").to_owned();
    assert_eq!(app.client.get_json(&path).await, dana);

    let change = json!({"address": {"post_code": 20007}});
    let changed = app.client.patch(&path, &change).await;
    changed.assert_status(200);
    assert_eq!(changed.json()["address"], json!({"flat_number": 7, "post_code": 20007}));
    assert_eq!(app.client.patch(&path, &json!({"name": "Dan"})).await.json()["name"], "Dan");
    assert_eq!(app.client.patch(&path, &json!({})).await.json()["name"], "Dan");
    assert_eq!(
        app.client.get_json(&path).await,
        json!({
            "id": 4, "name": "Dan", "address": {"flat_number": 7, "post_code": 20007},
        })
    );
    assert_eq!(app.client.get_json("/api/v1/customers/1").await["name"], "Alex");

    app.client.delete(&path).await.assert_status(204);
    app.client.get(&path).await.assert_problem(404);
    app.client.delete(&path).await.assert_problem(404);
    app.client.patch(&path, &json!({})).await.assert_problem(404);
    assert_eq!((db.count("customer").await, db.count("address").await), (3, 3));
}

async fn an_item_can_be_created_changed_and_deleted(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let created = app.client.post("/api/v1/items", &json!({"name": "Tea", "price": 3.25})).await;
    created.assert_status(201);
    let tea = json!({"id": 5, "name": "Tea", "price": 3.25, "description": null});
    assert_eq!(created.json(), tea);
    assert_eq!(created.header("location"), "/api/v1/items/5");
    let path = "/api/v1/items/5";
    for (change, price, description) in [
        (json!({"price": 4}), json!(4), Value::Null),
        (json!({"description": "green"}), json!(4), json!("green")),
        (json!({"price": 0}), json!(0), json!("green")),
        (json!({"description": null}), json!(0), Value::Null),
    ] {
        app.client.patch(path, &change).await.assert_status(200);
        let item = app.client.get_json(path).await;
        assert_eq!((&item["price"], &item["description"]), (&price, &description), "{change}");
        assert_eq!(item["name"], "Tea");
    }
    app.client.delete(path).await.assert_status(204);
    app.client.get(path).await.assert_problem(404);
    assert_eq!(db.count("item").await, 4);
}

async fn customers_and_items_with_orders_cannot_be_deleted(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for (path, order) in [
        ("/api/v1/customers/1", "order 1"),
        ("/api/v1/items/4", "order 2"),
        ("/api/v1/customers/2", "order 3"),
    ] {
        let problem = app.client.delete(path).await.assert_problem(409);
        assert!(problem["detail"].as_str().unwrap().contains(order), "{problem}");
        app.client.get(path).await.assert_status(200);
    }
    let response = app.client.delete("/api/v1/orders/1").await;
    response.assert_problem(405);
    assert_eq!(response.header("allow"), "GET, HEAD");
}

async fn an_order_includes_its_lines_and_total(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let first = json!({
        "id": 1, "customer_id": 1, "order_time": "2024-03-18T10:30:00Z",
        "items": [
            {"item_id": 1, "name": "Milk", "quantity": 1, "unit_price": 5, "item_total": 5},
            {"item_id": 2, "name": "Kit Kat", "quantity": 4, "unit_price": 1, "item_total": 4},
            {"item_id": 3, "name": "Bread", "quantity": 2, "unit_price": 10.5, "item_total": 21},
        ],
        "total": 30,
    });
    assert_eq!(app.client.get_json("/api/v1/orders/1").await, first);
    let empty = app.client.get_json("/api/v1/orders/3").await;
    assert_eq!((&empty["items"], &empty["total"]), (&json!([]), &json!(0)));

    let new =
        json!({"customer_id": 2, "items": [{"id": 3, "quantity": 2}, {"id": 1, "quantity": 1}]});
    let placed = app.client.post("/api/v1/orders", &new).await;
    placed.assert_status(201);
    assert_eq!(placed.header("location"), "/api/v1/orders/4");
    assert_eq!(placed.json()["total"], 26);
    assert_eq!(app.client.get_json("/api/v1/orders/4").await, placed.json());

    app.client.patch("/api/v1/items/3", &json!({"price": 99})).await.assert_status(200);
    assert_eq!(app.client.get_json("/api/v1/orders/4").await, placed.json());
}

async fn expand_loads_the_named_relations_and_no_others(db: &TestDatabase) {
    db.generate(20, 10, 100, 1).await;
    let app = db.serve(&[]).await;
    for expand in [
        "",
        "&expand=items.item",
        "&expand=customer",
        "&expand=customer.address",
        "&expand=customer,customer.address,items.item",
    ] {
        for limit in [1, 100] {
            let path = format!("/api/v1/orders?limit={limit}{expand}");
            let logged = app.statements_of(&path).await;
            assert_eq!(logged.len(), 2, "{path}: {logged:#?}");
            if limit == 1 {
                // One row more tells whether there is another page; only the first order's lines are read.
                let (read, ids) =
                    (numbers_after("LIMIT", &logged[0]), numbers_after("WHERE", &logged[1]));
                assert!(read == [1] || read == [2], "{path}: {logged:#?}");
                assert!(!ids.is_empty() && ids.iter().all(|id| *id == 1), "{path}: {logged:#?}");
            }
            let addresses = logged.iter().any(|sql| sql.contains("address"));
            assert_eq!(addresses, expand.contains("address"), "{path}");
            let items = logged.iter().any(|sql| sql.contains("description"));
            assert_eq!(items, expand.contains("items.item"), "{path}");
        }
        let path = format!("/api/v1/orders?limit=3{expand}");
        for order in app.client.get_json(&path).await["data"].as_array().unwrap() {
            let customer = &order["customer"];
            assert_eq!(customer.is_object(), expand.contains("customer"), "{order}");
            assert_eq!(customer["address"].is_object(), expand.contains("address"), "{order}");
            let line = &order["items"][0];
            assert_eq!(line["item"].is_object(), expand.contains("items.item"), "{order}");
        }
    }
    let order = app.client.get_json("/api/v1/orders/7?expand=customer.address,items.item").await;
    let customer = format!("/api/v1/customers/{}", order["customer_id"]);
    assert_eq!(app.client.get_json(&customer).await, order["customer"]);
    let item = format!("/api/v1/items/{}", order["items"][0]["item_id"]);
    assert_eq!(app.client.get_json(&item).await, order["items"][0]["item"]);
    let of_one = format!("{customer}/orders?expand=customer.address");
    assert_eq!(app.client.get_json(&of_one).await["data"][0]["customer"], order["customer"]);
}

/// Returns the whole numbers after the last `keyword` of a statement.
fn numbers_after(keyword: &str, sql: &str) -> Vec<i64> {
    let (_, rest) = sql.rsplit_once(keyword).unwrap_or_else(|| panic!("no {keyword} in {sql}"));
    let words = rest.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter_map(|word| word.parse().ok()).collect()
}

async fn an_unknown_relation_is_refused_with_a_list_of_the_known(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for path in [
        "/api/v1/orders?expand=item",
        "/api/v1/orders/1?expand=customer,",
        "/api/v1/customers/1/orders?expand=customer.address.customer",
    ] {
        let problem = app.client.get(path).await.assert_problem(400);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("customer, customer.address, items.item"), "{detail}");
    }
}

async fn unknown_resources_are_404_and_unknown_methods_405(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for (method, path, status) in [
        ("GET", "/api/v1/items/99", 404),
        ("GET", "/api/v1/items/9223372036854775808", 404),
        ("GET", "/api/v1/items/x", 400),
        ("GET", "/api/v1/orders/99", 404),
        ("GET", "/api/v1/customers/99/orders", 404),
        ("GET", "/api/v1/nothing", 404),
        ("PUT", "/api/v1/items/1", 405),
        ("DELETE", "/api/v1/items", 405),
        ("POST", "/api/v1/items/1", 405),
    ] {
        TestResponse::of(app.client.request(method, path)).await.assert_problem(status);
    }
}
