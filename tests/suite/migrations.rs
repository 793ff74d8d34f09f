//! The schema, forwards and backwards.

use futures_util::future::join_all;

use crate::{
    cases,
    harness::{
        backend::Backend,
        case::Case,
        database::{MARKETSVC, MIGRATION, TestDatabase, run, stderr},
    },
};

const FIRST: &str = "m20261122_000001_create_marketplace";
const SECOND: &str = "m20261122_000002_create_idempotency_keys";
const THIRD: &str = "m20261122_000003_create_api_keys";
const TABLES: [&str; 7] =
    ["address", "customer", "item", "orders", "order_items", "idempotency_keys", "api_keys"];

pub fn cases() -> Vec<Case> {
    cases![
        both_programs_go_forwards_and_backwards,
        migrators_that_start_at_once_all_succeed,
        a_migration_that_fails_leaves_nothing_behind_or_can_be_run_again,
        serve_wants_the_schema_it_knows,
        a_schema_from_the_future_is_named,
        nothing_is_dropped_unless_asked_for,
    ]
}

async fn both_programs_go_forwards_and_backwards(db: &TestDatabase) {
    for (program, prefix) in [(MARKETSVC, &["migrate"][..]), (MIGRATION, &[])] {
        let ask = async |args: &[&str]| {
            let args: Vec<_> = prefix.iter().chain(args).copied().collect();
            let output = run(program, &db.url, &args).await;
            assert!(output.status.success(), "{args:?}: {}", stderr(&output));
            String::from_utf8(output.stdout).unwrap()
        };
        let applied = format!("applied {FIRST}\napplied {SECOND}\napplied {THIRD}\n");
        let older_rolled_back = format!("rolled back {SECOND}\nrolled back {FIRST}\n");
        let rolled_back = format!("rolled back {THIRD}\n{older_rolled_back}");
        let pending = format!("Pending  {FIRST}\nPending  {SECOND}\nPending  {THIRD}\n");
        assert_eq!(ask(&["status"]).await, pending);
        assert_eq!(ask(&["up"]).await, applied);
        assert_eq!(ask(&["up"]).await, "nothing to do\n");
        assert_eq!(ask(&["status"]).await, pending.replace("Pending", "Applied"));
        assert_eq!(ask(&["down"]).await, format!("rolled back {THIRD}\n"));
        assert_eq!(ask(&["down", "-n", "5"]).await, older_rolled_back);
        assert_eq!(ask(&["down"]).await, "nothing to do\n");
        assert_eq!(ask(&["up", "-n", "1"]).await, format!("applied {FIRST}\n"));
        assert_eq!(ask(&["up"]).await, format!("applied {SECOND}\napplied {THIRD}\n"));
        assert_eq!(ask(&["refresh"]).await, format!("{rolled_back}{applied}"));
        db.execute("CREATE TABLE stranger (id INT)").await.unwrap();
        assert_eq!(ask(&["fresh"]).await, applied);
        assert!(db.execute("SELECT * FROM stranger").await.is_err());
        for table in TABLES {
            assert_eq!(db.count(table).await, 0);
        }
        assert_eq!(ask(&["reset"]).await, rolled_back);
        for table in TABLES {
            assert!(db.execute(&format!("SELECT * FROM {table}")).await.is_err(), "{table}");
        }
    }
}

async fn migrators_that_start_at_once_all_succeed(db: &TestDatabase) {
    let outputs = join_all((0..8).map(|_| db.run(&["migrate", "up"]))).await;
    for output in &outputs {
        assert!(output.status.success(), "{}", stderr(output));
    }
    let applied = outputs.iter().filter(|output| output.stdout.starts_with(b"applied")).count();
    assert_eq!(applied, 1);
    assert_eq!(db.count("seaql_migrations").await, 3);

    let servers = join_all((0..4).map(|_| db.serve_demo())).await;
    for server in servers {
        assert_eq!(server.client.get_json("/api/customers").await.as_array().unwrap().len(), 3);
    }
}

async fn a_migration_that_fails_leaves_nothing_behind_or_can_be_run_again(db: &TestDatabase) {
    // In the way of the fourth table; MySQL notices with its index.
    db.execute("CREATE TABLE orders (id INT PRIMARY KEY)").await.unwrap();
    let output = db.run(&["migrate", "up"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    if db.backend != Backend::Mysql {
        for table in ["seaql_migrations", "address", "customer", "item", "order_items"] {
            assert!(db.execute(&format!("SELECT * FROM {table}")).await.is_err(), "{table}");
        }
    }
    db.execute("DROP TABLE orders").await.unwrap();
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
}

async fn serve_wants_the_schema_it_knows(db: &TestDatabase) {
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["seed", "demo"]] {
        let output = db.run(args).await;
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(FIRST) && said.contains("marketsvc migrate up"), "{said}");
    }
    let app = db.serve(&["--migrate"]).await;
    assert_eq!(app.client.get("/api/customers").await.body, "[]");
}

async fn a_schema_from_the_future_is_named(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    db.execute("INSERT INTO seaql_migrations VALUES ('m29990101_000001_later', 1)").await.unwrap();
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate", "up"]] {
        let output = db.run(args).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("m29990101_000001_later"), "{}", stderr(&output));
    }
    db.run_ok(&["migrate", "fresh"]).await;
}

async fn nothing_is_dropped_unless_asked_for(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["migrate", "status"]).await;
    drop(db.serve(&["--migrate", "--demo"]).await);
    assert_eq!(db.count("order_items").await, 5);
}
