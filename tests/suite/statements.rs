//! How many SQL statements a request takes: it does not grow with its rows.

use crate::{
    cases,
    harness::{case::Case, client::ALEX, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![
        reading_takes_one_statement_however_many_rows,
        placing_takes_four_statements_however_many_lines,
        each_total_takes_one_statement,
    ]
}

async fn reading_takes_one_statement_however_many_rows(db: &TestDatabase) {
    db.generate(400, 50, 100, 1).await;
    db.execute("UPDATE orders SET customer_id = 1 WHERE id > 5").await.unwrap();
    let app = db.serve(&[]).await;
    assert!(app.client.orders_of(1).await.len() > 90);
    for path in [
        "/api/customers",
        "/api/orders/1",
        "/api/orders/2",
        "/api/order_total/1",
        "/api/orders_between_dates/2025-12-25/2000-01-01",
        "/api/orders_between_dates/2000-01-01/2000-01-01",
    ] {
        let statements = app.statements_of(path).await;
        assert_eq!(statements.len(), 1, "{path}: {statements:#?}");
    }
    assert!(app.statements_of("/").await.is_empty());
}

async fn placing_takes_four_statements_however_many_lines(db: &TestDatabase) {
    db.generate(1, 100, 0, 1).await;
    let app = db.serve(&[]).await;
    for lines in [1, 10, 100] {
        let items: Vec<_> = (1..=lines).map(|id| (id, 1)).collect();
        let before = app.mark().await;
        let answer = app.client.place_order(ALEX, &items).await;
        answer.assert_status(201);
        let statements = app.statements_until(before, &answer.request_id()).await;
        let of_transactions = ["BEGIN", "COMMIT"];
        let work =
            statements.iter().filter(|s| !of_transactions.iter().any(|word| s.contains(word)));
        assert_eq!(work.count(), 4, "{statements:#?}");
    }
}

async fn each_total_takes_one_statement(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for (ids, expected) in [("1", 1), ("1,2,3,99", 4)] {
        let statements = app.statements_of(&format!("/api/orders_total?orders={ids}")).await;
        assert_eq!(statements.len(), expected, "{statements:#?}");
    }
}
