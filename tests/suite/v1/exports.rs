//! Exports as NDJSON and CSV.

use serde_json::{Value, json};

use crate::{
    cases,
    harness::{
        case::Case,
        client::{Client, TestResponse},
        database::TestDatabase,
    },
};

pub fn cases() -> Vec<Case> {
    cases![
        ndjson_lines_equal_the_listed_resources,
        csv_has_a_record_for_each_order_line_and_no_formulas,
        the_accept_header_selects_the_format,
        an_export_is_complete,
    ]
}

async fn export(client: &Client, path: &str, accept: &str) -> TestResponse {
    TestResponse::of(client.request("GET", path).header("accept", accept)).await
}

async fn ndjson_lines_equal_the_listed_resources(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for list in ["customers", "orders"] {
        let response = app.client.get(&format!("/api/v1/{list}/export")).await;
        response.assert_status(200);
        assert_eq!(response.header("content-type"), "application/x-ndjson");
        let disposition = format!("attachment; filename=\"{list}.ndjson\"");
        assert_eq!(response.header("content-disposition"), disposition);
        let lines: Vec<Value> =
            response.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let rows = app.client.get_json(&format!("/api/v1/{list}")).await;
        assert_eq!(Value::Array(lines), rows["data"]);
    }
    let some = app.client.get("/api/v1/orders/export?customer_id=1&placed_before=2025-01-01").await;
    assert_eq!(some.body.lines().count(), 1);
    assert_eq!(app.client.get("/api/v1/orders/export?customer_id=99").await.body, "");
    app.client.get("/api/v1/orders/export?customer=1").await.assert_problem(400);
}

async fn csv_has_a_record_for_each_order_line_and_no_formulas(db: &TestDatabase) {
    let app = db.serve_demo().await;
    app.client
        .patch("/api/v1/items/2", &json!({"name": "=HYPERLINK(\"x\")"}))
        .await
        .assert_status(200);
    app.client.patch("/api/v1/items/4", &json!({"name": "a, \"b\""})).await.assert_status(200);
    app.client.patch("/api/v1/customers/1", &json!({"name": "@Alex"})).await.assert_status(200);
    let orders = export(&app.client, "/api/v1/orders/export", "text/csv").await;
    let expected = "order_id,customer_id,order_time,item_id,name,quantity,unit_price,item_total\r\n\
        1,1,2024-03-18T10:30:00Z,1,Milk,1,5.00,5.00\r\n\
        1,1,2024-03-18T10:30:00Z,2,\"'=HYPERLINK(\"\"x\"\")\",4,1.00,4.00\r\n\
        1,1,2024-03-18T10:30:00Z,3,Bread,2,10.50,21.00\r\n\
        2,3,2024-03-20T11:00:00Z,2,\"'=HYPERLINK(\"\"x\"\")\",2,1.00,2.00\r\n\
        2,3,2024-03-20T11:00:00Z,4,\"a, \"\"b\"\"\",5,2.00,10.00\r\n\
        3,2,2024-03-25T15:00:00Z,,,,,\r\n";
    assert_eq!(orders.body, expected);
    assert_eq!(orders.header("content-disposition"), "attachment; filename=\"orders.csv\"");
    let customers = export(&app.client, "/api/v1/customers/export", "text/csv").await;
    assert!(customers.body.starts_with("id,name,flat_number,post_code\r\n1,'@Alex,101,10001\r\n"));
}

async fn the_accept_header_selects_the_format(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for (accept, content_type) in [
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("*/*", "application/x-ndjson"),
        ("text/html, text/csv;q=0.5, */*;q=0.1", "text/csv; charset=utf-8"),
        ("text/csv;q=0.1, application/x-ndjson;q=0.9", "application/x-ndjson"),
    ] {
        let response = export(&app.client, "/api/v1/customers/export", accept).await;
        assert_eq!(response.assert_status(200).header("content-type"), content_type, "{accept}");
    }
    for accept in ["text/html", "application/x-ndjson;q=0, text/html"] {
        export(&app.client, "/api/v1/customers/export", accept).await.assert_problem(406);
    }
}

async fn an_export_is_complete(db: &TestDatabase) {
    db.generate(1100, 10, 250, 1).await;
    let app = db.serve(&[]).await;
    let customers = app.client.get("/api/v1/customers/export").await;
    assert_eq!(customers.body.lines().count(), 1100);
    let orders = export(&app.client, "/api/v1/orders/export", "text/csv").await;
    let lines = i64::try_from(orders.body.lines().count()).unwrap();
    assert_eq!(lines, 1 + db.count("order_items").await);
}
