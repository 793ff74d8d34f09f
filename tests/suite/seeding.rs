//! Demo data and generated data.

use serde_json::Value;

use crate::{
    cases,
    harness::{
        bulk_load::{kill_midway, rows_done},
        case::Case,
        client::MILK,
        database::{TestDatabase, stderr},
    },
};

/// `seed generate` of enough rows to be interrupted.
const GENERATE: [&str; 10] = [
    "seed",
    "generate",
    "--customers",
    "2000",
    "--items",
    "50",
    "--orders",
    "20000",
    "--seed",
    "7",
];

pub fn cases() -> Vec<Case> {
    cases![
        the_demo_data_is_loaded_once,
        generated_data_is_plausible_and_reproducible,
        one_of_two_concurrent_seed_commands_succeeds,
        generated_orders_need_customers_and_items,
        progress_is_reported_in_plain_lines,
        an_interrupted_run_continues_with_the_same_rows,
        an_interrupted_run_is_not_continued_with_other_numbers,
        one_of_two_processes_continues_an_interrupted_run,
    ]
}

async fn the_demo_data_is_loaded_once(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
    for again in [
        &["seed", "demo"][..],
        &["seed", "generate", "--customers", "1", "--items", "1", "--orders", "1"],
    ] {
        let output = db.run(again).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("the database is not empty"), "{}", stderr(&output));
    }
    assert_eq!((db.count("customer").await, db.count("order_items").await), (3, 5));
    let app = db.serve_demo().await;
    app.logged("demo data not loaded").await;
    assert_eq!(app.client.place_order(1, &[(MILK, 1)]).await.json()["id"], 4);
}

async fn generated_data_is_plausible_and_reproducible(db: &TestDatabase) {
    db.generate(30, 3, 200, 5).await;
    assert_eq!(db.count("address").await, 30);
    assert_eq!(db.count("item").await, 3);
    assert_eq!(db.count("orders").await, 200);
    let most =
        "SELECT max(c) AS n FROM (SELECT count(*) AS c FROM order_items GROUP BY order_id) x";
    assert_eq!(db.number(most).await, 3);
    let first = everything(db).await;
    let orders = first[1].as_array().unwrap();
    assert_eq!(orders.len(), 200);
    assert!(orders.iter().all(|order| !order["items"].as_array().unwrap().is_empty()));
    let time = |n: usize| orders[n]["order_time"].as_str().unwrap();
    assert!(time(0).starts_with("2024-01-0") && time(199).starts_with("2025-12-"), "{}", time(199));

    // New ids continue after the generated ones.
    let app = db.serve(&[]).await;
    let placed = app.client.place_order(1, &[(MILK, 1)]).await;
    assert_eq!(placed.assert_status(201).json()["id"], 201);
    drop(app);

    db.run_ok(&["migrate", "fresh"]).await;
    db.generate(30, 3, 200, 5).await;
    assert_eq!(everything(db).await, first);
    db.run_ok(&["migrate", "fresh"]).await;
    db.generate(30, 3, 200, 6).await;
    assert_ne!(everything(db).await, first);
}

async fn everything(db: &TestDatabase) -> [Value; 2] {
    let app = db.serve(&[]).await;
    let orders = "/api/orders_between_dates/2030-01-01/2000-01-01";
    [app.client.get_json("/api/customers").await, app.client.get_json(orders).await]
}

async fn one_of_two_concurrent_seed_commands_succeeds(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let seed = &["seed", "generate", "--customers", "2000", "--items", "10", "--orders", "500"];
    let (one, two) = tokio::join!(db.run(seed), db.run(seed));
    let succeeded = [&one, &two].iter().filter(|output| output.status.success()).count();
    assert_eq!(succeeded, 1, "{}\n{}", stderr(&one), stderr(&two));
    assert_eq!((db.count("customer").await, db.count("orders").await), (2000, 500));
}

async fn generated_orders_need_customers_and_items(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    for (customers, items) in [("0", "1"), ("1", "0")] {
        let output = db
            .run(&["seed", "generate", "--customers", customers, "--items", items, "--orders", "1"])
            .await;
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("at least one customer and one item"));
    }
    db.run_ok(&["seed", "generate", "--customers", "0", "--items", "0", "--orders", "0"]).await;
    assert_eq!(db.count("customer").await, 0);
    db.run_ok(&["seed", "demo"]).await;
}

async fn progress_is_reported_in_plain_lines(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let output = db
        .run(&["seed", "generate", "--customers", "3000", "--items", "10", "--orders", "0"])
        .await;
    let report = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(report, "made 3000 customers, 10 items and 0 orders\n");
    let expected = ["1000/3010 rows", "2000/3010 rows", "3000/3010 rows", "3010/3010 rows"];
    assert_eq!(stderr(&output).lines().collect::<Vec<_>>(), expected);
}

/// Migrates, kills [`GENERATE`] midway and returns the number of rows that the database counts as done.
async fn interrupt(db: &TestDatabase) -> i64 {
    db.run_ok(&["migrate", "up"]).await;
    kill_midway(&db.url, &GENERATE, db).await
}

async fn an_interrupted_run_continues_with_the_same_rows(db: &TestDatabase) {
    let whole = TestDatabase::create(db.backend).await;
    whole.run_ok(&["migrate", "up"]).await;
    whole.run_ok(&GENERATE).await;
    let expected = everything(&whole).await;
    whole.remove().await;

    let done = interrupt(db).await;
    assert_eq!(
        db.count("customer").await + db.count("item").await + db.count("orders").await,
        done
    );
    let without_lines = "SELECT count(*) AS n FROM orders \
        WHERE NOT EXISTS (SELECT 1 FROM order_items WHERE order_id = orders.id)";
    assert_eq!(db.number(without_lines).await, 0);

    let output = db.run(&GENERATE).await;
    let progress = stderr(&output);
    assert!(output.status.success(), "{progress}");
    assert_eq!(progress.lines().next(), Some(&*format!("{done}/22050 rows")));
    assert_eq!(progress.lines().last(), Some("22050/22050 rows"));
    assert_eq!(db.count("bulk_loads").await, 0);
    assert!(everything(db).await == expected, "other rows than without an interruption");

    let again = db.run(&GENERATE).await;
    assert!(stderr(&again).contains("the database is not empty"), "{}", stderr(&again));
    let app = db.serve(&[]).await;
    let placed = app.client.place_order(1, &[(MILK, 1)]).await;
    assert_eq!(placed.assert_status(201).json()["id"], 20_001);
}

async fn an_interrupted_run_is_not_continued_with_other_numbers(db: &TestDatabase) {
    let done = interrupt(db).await;
    let mut other = GENERATE;
    other[7] = "20001";
    let output = db.run(&other).await;
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    for plan in [
        "2000 customers, 50 items and 20000 orders with seed 7",
        "2000 customers, 50 items and 20001 orders with seed 7",
    ] {
        assert!(message.contains(plan), "{message}");
    }
    assert_eq!(message.lines().count(), 1, "{message}");
    let demo = db.run(&["seed", "demo"]).await;
    assert!(stderr(&demo).contains("the database is not empty"), "{}", stderr(&demo));
    assert_eq!(rows_done(db).await, done);

    db.run_ok(&["migrate", "fresh"]).await;
    db.generate(30, 3, 20, 5).await;
}

async fn one_of_two_processes_continues_an_interrupted_run(db: &TestDatabase) {
    interrupt(db).await;
    let outputs = tokio::join!(db.run(&GENERATE), db.run(&GENERATE));
    let (completed, refused) = match outputs {
        (one, two) if one.status.success() => (one, two),
        (one, two) => (two, one),
    };
    assert!(completed.status.success(), "{}", stderr(&completed));
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    let message = stderr(&refused);
    let last = message.lines().last().unwrap_or_default();
    assert!(
        last.contains("another process is loading data") || last.contains("is not empty"),
        "{message}"
    );
    assert_eq!((db.count("customer").await, db.count("orders").await), (2000, 20_000));
    assert_eq!(db.count("bulk_loads").await, 0);
}
