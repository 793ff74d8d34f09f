//! Reports over many orders.

use serde_json::json;

use crate::{
    cases,
    harness::{case::Case, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![
        revenue_by_day_includes_days_without_orders,
        revenue_by_month_adds_up_to_revenue_by_day,
        best_sellers_are_sorted_by_quantity_sold,
        the_largest_orders_can_be_reported,
        invalid_report_requests_are_refused,
    ]
}

async fn revenue_by_day_includes_days_without_orders(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let days = "/api/v1/reports/revenue?from=2024-03-17&to=2024-03-21";
    let expected = json!([
        {"period": "2024-03-17", "orders": 0, "revenue": 0},
        {"period": "2024-03-18", "orders": 1, "revenue": 30},
        {"period": "2024-03-19", "orders": 0, "revenue": 0},
        {"period": "2024-03-20", "orders": 1, "revenue": 12},
    ]);
    assert_eq!(app.client.get_json(days).await, expected);
    assert_eq!(app.client.get_json(&format!("{days}&by=day")).await, expected);
    assert_eq!(app.statements_of(days).await.len(), 2);
    let empty_order = "/api/v1/reports/revenue?from=2024-03-25&to=2024-03-26";
    let expected = json!([{"period": "2024-03-25", "orders": 1, "revenue": 0}]);
    assert_eq!(app.client.get_json(empty_order).await, expected);
    let nothing = "/api/v1/reports/revenue?from=2024-03-21&to=2024-03-17";
    assert_eq!(app.client.get_json(nothing).await, json!([]));
    let leap = "/api/v1/reports/revenue?from=2024-02-28&to=2024-03-02";
    assert_eq!(app.client.get_json(leap).await.as_array().unwrap().len(), 3);
    let part = "/api/v1/reports/revenue?from=2024-03-18T10:30:00.000001Z&to=2024-03-19";
    assert_eq!(
        app.client.get_json(part).await,
        json!([{"period": "2024-03-18", "orders": 0, "revenue": 0}])
    );
}

async fn revenue_by_month_adds_up_to_revenue_by_day(db: &TestDatabase) {
    db.generate(20, 10, 300, 4).await;
    let app = db.serve(&[]).await;
    let range = "from=2024-01-01&to=2026-01-01";
    let sum = async |by: &str| {
        let rows = app.client.get_json(&format!("/api/v1/reports/revenue?{range}&by={by}")).await;
        let rows = rows.as_array().unwrap().clone();
        let orders: i64 = rows.iter().map(|row| row["orders"].as_i64().unwrap()).sum();
        let revenue: f64 = rows.iter().map(|row| row["revenue"].as_f64().unwrap()).sum();
        (rows.len(), orders, (revenue * 100.0).round())
    };
    let (days, orders, by_day) = sum("day").await;
    assert_eq!((days, orders), (731, 300));
    assert_eq!(sum("month").await, (24, 300, by_day));
}

async fn best_sellers_are_sorted_by_quantity_sold(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let all = "/api/v1/reports/best-sellers?from=2024-01-01&to=2025-01-01";
    let expected = json!([
        {"item_id": 2, "name": "Kit Kat", "quantity": 6, "revenue": 6},
        {"item_id": 4, "name": "Onion", "quantity": 5, "revenue": 10},
        {"item_id": 3, "name": "Bread", "quantity": 2, "revenue": 21},
        {"item_id": 1, "name": "Milk", "quantity": 1, "revenue": 5},
    ]);
    assert_eq!(app.client.get_json(all).await, expected);
    let best = app.client.get_json(&format!("{all}&limit=1")).await;
    assert_eq!(best, json!([expected[0]]));
    let late = "/api/v1/reports/best-sellers?from=2024-03-19&to=2024-03-21";
    assert_eq!(app.client.get_json(late).await[0]["name"], "Onion");
    assert_eq!(app.statements_of(all).await.len(), 2);
}

async fn invalid_report_requests_are_refused(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for query in [
        "revenue",
        "revenue?from=2024-01-01",
        "revenue?from=2024-01-01&to=soon",
        "revenue?from=2024-01-01&to=2025-01-01&by=hour",
        "revenue?from=0001-01-01&to=9999-12-31",
        "best-sellers?from=2024-01-01&to=2025-01-01&limit=0",
        "best-sellers?from=2024-01-01&to=2025-01-01&limit=101",
    ] {
        app.client.get(&format!("/api/v1/reports/{query}")).await.assert_problem(400);
    }
}

async fn the_largest_orders_can_be_reported(db: &TestDatabase) {
    let app = db.serve_demo().await;
    app.client
        .patch("/api/v1/items/1", &json!({"price": 9_999_999_999_999.99}))
        .await
        .assert_status(200);
    for _ in 0..3 {
        app.client.place_order(1, &[(1, 1)]).await.assert_status(201);
    }
    let months =
        app.client.get_json("/api/v1/reports/revenue?from=2020-01-01&to=2100-01-01&by=month");
    let most = months
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["revenue"].as_f64().unwrap())
        .fold(0.0, f64::max);
    assert_eq!(most.to_bits(), 29_999_999_999_999.97_f64.to_bits(), "{most}");
    let best =
        app.client.get_json("/api/v1/reports/best-sellers?from=2020-01-01&to=2100-01-01").await;
    assert_eq!(best.as_array().unwrap().len(), 4);
}
