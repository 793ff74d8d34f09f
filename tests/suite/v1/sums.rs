//! Sums of reports beyond the range of amounts and of 64-bit integers.

use sea_orm::{ConnectionTrait, QueryResult, Statement};

use crate::{
    cases,
    harness::{app::App, backend::Backend, case::Case, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![
        revenue_beyond_64_bits_is_exact,
        quantities_beyond_32_bits_are_exact,
        a_report_of_a_month_reads_the_lines_of_its_orders_only,
    ]
}

const ORDERS: i64 = 10_000;
const RANGE: &str = "from=2024-03-01&to=2024-04-01";

/// Orders of one day with one line each, of this quantity and this price minus the order's id modulo 7, in cents.
async fn serve_large_orders(db: &TestDatabase, quantity: i32, cents: i64) -> App {
    db.generate(1, 1, ORDERS.try_into().unwrap(), 1).await;
    db.execute("UPDATE orders SET order_time = '2024-03-05 10:00:00'").await.unwrap();
    let lines = format!(
        "UPDATE order_items SET quantity = {quantity}, unit_price_cents = {cents} - order_id % 7"
    );
    db.execute(&lines).await.unwrap();
    db.serve(&[]).await
}

fn exact_cents(quantity: i32, cents: i64) -> i128 {
    (1..=ORDERS).map(|id| i128::from(quantity) * i128::from(cents - id % 7)).sum()
}

/// Returns the double nearest to an amount.
fn nearest(cents: i128) -> f64 {
    format!("{}.{:02}", cents / 100, cents % 100).parse().unwrap()
}

async fn assert_revenue(app: &App, cents: i128) {
    for by in ["day", "month"] {
        let rows = app.client.get_json(&format!("/api/v1/reports/revenue?{RANGE}&by={by}")).await;
        let sum = rows.as_array().unwrap().iter().find(|row| row["orders"] == ORDERS).unwrap();
        assert_eq!(sum["revenue"].as_f64().unwrap().to_bits(), nearest(cents).to_bits(), "{sum}");
    }
}

async fn revenue_beyond_64_bits_is_exact(db: &TestDatabase) {
    let (quantity, cents) = (1, 999_999_999_999_999);
    let exact = exact_cents(quantity, cents);
    assert!(exact > i64::MAX.into());
    let app = serve_large_orders(db, quantity, cents).await;
    assert_revenue(&app, exact).await;
    let best = app.client.get_json(&format!("/api/v1/reports/best-sellers?{RANGE}")).await;
    assert_eq!(best[0]["quantity"], ORDERS);
    assert_eq!(best[0]["revenue"].as_f64().unwrap().to_bits(), nearest(exact).to_bits(), "{best}");
}

async fn quantities_beyond_32_bits_are_exact(db: &TestDatabase) {
    let (quantity, cents) = (i32::MAX, 465_000);
    let exact = exact_cents(quantity, cents);
    assert!(exact > i64::MAX.into());
    let app = serve_large_orders(db, quantity, cents).await;
    assert_revenue(&app, exact).await;
    let best = app.client.get_json(&format!("/api/v1/reports/best-sellers?{RANGE}")).await;
    assert_eq!(best[0]["quantity"], i64::from(quantity) * ORDERS);
    assert_eq!(best[0]["revenue"].as_f64().unwrap().to_bits(), nearest(exact).to_bits(), "{best}");
}

/// The second statement of each report has the range of ids, which its first statement has found. Without it PostgreSQL
/// reads every line, because the time is in another table.
async fn a_report_of_a_month_reads_the_lines_of_its_orders_only(db: &TestDatabase) {
    db.generate(20, 50, 20_000, 1).await;
    match db.backend {
        Backend::Sqlite => {}
        Backend::Postgres => db.execute("ANALYZE").await.unwrap(),
        Backend::Mysql => db.execute("ANALYZE TABLE orders, order_items").await.unwrap(),
    }
    let app = db.serve(&[]).await;
    for report in ["revenue", "best-sellers"] {
        let statements = app.statements_of(&format!("/api/v1/reports/{report}?{RANGE}")).await;
        let [_, sums] = &statements[..] else { panic!("{statements:#?}") };
        let plan = explain(db, sums).await;
        assert!(!reads_all_lines(db.backend, &plan), "{plan}");
    }
}

/// Returns the plan of a statement, a line for each row.
async fn explain(db: &TestDatabase, sql: &str) -> String {
    // The other formats of MySQL and of MariaDB have little in common.
    let (explain, columns): (_, &[_]) = match db.backend {
        Backend::Sqlite => ("EXPLAIN QUERY PLAN", &["detail"]),
        Backend::Postgres => ("EXPLAIN", &["QUERY PLAN"]),
        Backend::Mysql => ("EXPLAIN FORMAT=TRADITIONAL", &["table", "type"]),
    };
    let db = db.connect().await;
    let statement = Statement::from_string(db.get_database_backend(), format!("{explain} {sql}"));
    let rows = db.query_all_raw(statement).await.unwrap();
    let line = |row: &QueryResult| {
        let values =
            columns.iter().map(|column| row.try_get::<Option<String>>("", column).unwrap());
        values.map(Option::unwrap_or_default).collect::<Vec<_>>().join(" ") + "\n"
    };
    rows.iter().map(line).collect()
}

fn reads_all_lines(backend: Backend, plan: &str) -> bool {
    assert!(plan.contains("order_items"), "{plan}");
    match backend {
        Backend::Sqlite => plan.contains("SCAN order_items"),
        Backend::Postgres => plan.contains("Seq Scan on order_items"),
        Backend::Mysql => {
            plan.lines().any(|line| ["order_items ALL", "order_items index"].contains(&line))
        }
    }
}
