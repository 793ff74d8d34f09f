//! Echo of the SQL statements in the log by `serve --echo`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    cases,
    harness::{
        app::App,
        case::Case,
        client::{ALEX, BREAD, MILK},
        database::TestDatabase,
        echo::Echo,
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        the_echo_shows_an_order_as_one_transaction_with_its_values,
        the_echo_shows_the_rollback_of_a_refused_order,
        the_echo_shows_no_housekeeping,
    ];
    cases.extend(cases![SQLITE;
        the_echo_keeps_each_statement_on_one_line,
        the_echo_appears_in_json_logs_too,
        statements_are_not_logged_without_echo,
    ]);
    cases
}

async fn the_echo_shows_an_order_as_one_transaction_with_its_values(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let before = app.mark().await;
    let placed = app.client.place_order(ALEX, &[(MILK, 71), (BREAD, 83)]).await;
    placed.assert_status(201);
    let echo = app.echo_until(before, &placed.request_id()).await;
    let is_last = |word: &str| echo.last().is_some_and(|last| last.sql == word);
    assert!(echo[0].sql.starts_with("BEGIN") && is_last("COMMIT"), "{echo:#?}");
    assert!(echo.iter().all(|echo| echo.milliseconds.is_finite()), "{echo:#?}");
    assert!(echo.iter().any(|echo| echo.milliseconds > 0.0), "{echo:#?}");

    let order = placed.json();
    let insert = values_of("orders", &echo);
    let time = order["order_time"].as_str().unwrap();
    assert!(insert.contains(&ALEX.to_string()), "{insert:?}");
    assert!(insert.contains(&time[..10].to_owned()), "{insert:?}");
    let insert = values_of("order_items", &echo);
    for value in [order["id"].as_i64().unwrap(), MILK, 71, 500, BREAD, 83, 1050] {
        assert!(insert.contains(&value.to_string()), "{value} in {insert:?}");
    }
    for Echo { sql, .. } in echo.iter().filter(|echo| !echo.controls_transaction()) {
        for placeholder in ["?", "$1"] {
            assert!(!sql.contains(placeholder), "{sql}");
        }
    }
}

/// Returns the values in the only INSERT into `table`: the words and numbers after VALUES.
fn values_of(table: &str, echo: &[Echo]) -> Vec<String> {
    let is_insert = |sql: &str| {
        let start = sql.replace(['"', '`'], "");
        start.starts_with(&format!("INSERT INTO {table} ("))
    };
    let inserts: Vec<_> = echo.iter().filter(|echo| is_insert(&echo.sql)).collect();
    assert_eq!(inserts.len(), 1, "{echo:#?}");
    let (_, values) = inserts[0].sql.split_once("VALUES").unwrap();
    let is_separator = |c: char| !c.is_alphanumeric() && c != '-';
    values.split(is_separator).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

async fn the_echo_shows_the_rollback_of_a_refused_order(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let before = app.mark().await;
    let refused = app.client.place_order(ALEX, &[(MILK, 1), (99, 1)]).await;
    refused.assert_status(400);
    let echo = app.echo_until(before, &refused.request_id()).await;
    assert!(echo[0].sql.starts_with("BEGIN"), "{echo:#?}");
    let is_rollback = |sql: &str| ["ROLLBACK", "ROLLBACK TO SAVEPOINT"].contains(&sql);
    assert!(echo.iter().any(|echo| is_rollback(&echo.sql)), "{echo:#?}");
    assert!(echo.iter().all(|echo| !echo.sql.starts_with("INSERT")), "{echo:#?}");
}

async fn the_echo_shows_no_housekeeping(db: &TestDatabase) {
    let app = db.serve_demo().await;
    // A write, so that SQLite has a write-ahead log to check point.
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
    let before = app.mark().await;
    app.client.get("/readyz").await.assert_status(200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    app.client.get("/readyz").await.assert_status(200);
    app.mark().await;
    let idle = app.echo_since(before);
    assert!(idle.is_empty(), "{idle:#?}");
    let all = app.echo_since(0);
    assert!(all.iter().any(|echo| echo.sql.starts_with("INSERT")), "{all:#?}");
    for Echo { sql, .. } in all {
        let housekeeping =
            sql.starts_with("PRAGMA") || sql.starts_with("SET ") || sql == "SELECT 1";
        assert!(!housekeeping, "{sql}");
    }
}

async fn the_echo_keeps_each_statement_on_one_line(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let name = "it's \"one\" \u{2028} line \\n; (1.000 ms)";
    let before = app.mark().await;
    let item = json!({"name": name, "price": 1, "description": name});
    let created = app.client.post("/api/v1/items", &item).await;
    created.assert_status(201);
    let echo = app.echo_until(before, &created.request_id()).await;
    let inserts: Vec<_> = echo.iter().filter(|echo| echo.sql.starts_with("INSERT")).collect();
    assert!(inserts.len() == 1 && inserts[0].sql.contains("it''s"), "{echo:#?}");
    for line in app.log() {
        assert!(line.starts_with('['), "{line}");
    }
}

async fn the_echo_appears_in_json_logs_too(db: &TestDatabase) {
    let app = db.serve(&["--demo", "--log-format", "json"]).await;
    let statements = app.statements_of("/api/order_total/1").await;
    assert!(statements.len() == 1 && statements[0].starts_with("SELECT "), "{statements:#?}");
    let log = app.log();
    let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let levels: Vec<_> =
        lines.filter(|line| line["target"] == "echo").map(|line| line["level"].clone()).collect();
    assert!(!levels.is_empty() && levels.iter().all(|level| level == "DEBUG"), "{levels:?}");
}

async fn statements_are_not_logged_without_echo(db: &TestDatabase) {
    let app = App::start_without_echo(&db.url, &["--demo"]).await;
    app.client.get("/api/orders/1").await.assert_status(200);
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
    app.client.place_order(ALEX, &[(99, 1)]).await.assert_status(400);
    app.mark().await;
    for line in app.log() {
        assert!(Echo::parse(&line).is_none(), "{line}");
        for word in ["SELECT ", "INSERT ", "COMMIT", "ROLLBACK"] {
            assert!(!line.contains(word), "{line}");
        }
    }
}
