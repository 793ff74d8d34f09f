//! Copies of all data to another database.

use std::collections::BTreeSet;

use reqwest::RequestBuilder;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::{
    cases,
    harness::{
        app::App,
        backend::Backend,
        bulk_load::{kill_midway, until_done},
        case::Case,
        client::{MILK, TestResponse},
        database::{TestDatabase, stderr},
    },
    migrations::tables,
};

pub fn cases() -> Vec<Case> {
    cases![
        a_copy_answers_like_the_original,
        an_empty_database_can_be_copied,
        only_an_empty_and_migrated_database_is_copied_to,
        an_interrupted_copy_starts_over,
        a_copy_of_a_database_that_changes_is_an_error,
    ]
}

/// Addresses of every route that reads data.
const ROUTES: [&str; 17] = [
    "/api/customers",
    "/api/order_total/2500",
    "/api/orders/7",
    "/api/orders_between_dates/2030-01-01/2000-01-01",
    "/api/orders_total?orders=1,2500,99999",
    "/api/v1/customers?sort=name&limit=100",
    "/api/v1/customers/export",
    "/api/v1/customers/1200",
    "/api/v1/customers/7/orders?sort=-order_time&expand=items.item",
    "/api/v1/items?sort=-price&limit=100",
    "/api/v1/items/50",
    "/api/v1/items/51",
    "/api/v1/orders?sort=-id&limit=100&expand=customer",
    "/api/v1/orders/export",
    "/api/v1/orders/2501?expand=customer,items.item",
    "/api/v1/reports/best-sellers?from=2024-01-01&to=2030-01-01",
    "/api/v1/reports/revenue?from=2024-01-01&to=2030-01-01&by=month",
];

/// Returns the kinds of database that are copied to from one of `source`.
fn targets(source: Backend) -> impl Iterator<Item = Backend> {
    let targets: &[_] = match source {
        Backend::Sqlite => &[Backend::Postgres, Backend::Mysql, Backend::Sqlite],
        Backend::Postgres | Backend::Mysql => &[Backend::Sqlite],
    };
    targets.iter().copied().filter(|target| target.is_available())
}

async fn create(backend: Backend) -> TestDatabase {
    let db = TestDatabase::create(backend).await;
    db.run_ok(&["migrate", "up"]).await;
    db
}

/// Server that requires an API key, and an API key for it.
struct Site {
    app: App,
    key: String,
}

impl Site {
    async fn start(db: &TestDatabase, key: &str) -> Self {
        Self { app: db.serve(&["--auth", "required"]).await, key: key.to_owned() }
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.app.client.request(method, path).bearer_auth(&self.key)
    }

    /// Returns the body and the entity tag.
    async fn get(&self, path: &str) -> (String, String) {
        let response = TestResponse::of(self.request("GET", path)).await;
        response.assert_status(200);
        (response.body.clone(), response.header("etag").to_owned())
    }

    async fn post(&self, path: &str, idempotency_key: &str, body: &Value) -> TestResponse {
        let request = self.request("POST", path).header("idempotency-key", idempotency_key);
        let response = TestResponse::of(request.json(body)).await;
        response.assert_status(201);
        response
    }
}

async fn a_copy_answers_like_the_original(db: &TestDatabase) {
    db.generate(1200, 50, 2500, 3).await;
    let key = db.run_ok(&["api-key", "create", "--role", "admin", "--name", "Zoë 🥛"]).await;
    let site = Site::start(db, key.trim_end()).await;
    let item =
        json!({"name": "Crème 🍮", "price": 9_999_999_999_999.99_f64, "description": "e\u{301}"});
    site.post("/api/v1/items", "item", &item).await;
    let order = json!({"customer_id": 7, "items": [{"id": 1, "quantity": 2}]});
    let placed = site.post("/api/v1/orders", "order", &order).await;
    let first: Value = serde_json::from_str(&site.get("/api/v1/orders?limit=5").await.0).unwrap();
    let second_page =
        format!("/api/v1/orders?limit=5&cursor={}", first["next_cursor"].as_str().unwrap());
    let paths: Vec<_> = ROUTES.into_iter().chain([&*second_page]).collect();
    let mut expected = Vec::new();
    for path in &paths {
        expected.push(site.get(path).await);
    }
    drop(site);

    for backend in targets(db.backend) {
        let target = create(backend).await;
        copy(db, &target).await;
        let site = Site::start(&target, key.trim_end()).await;
        for (path, expected) in paths.iter().zip(&expected) {
            assert!(site.get(path).await == *expected, "{path} differs on {}", backend.name());
        }
        let again = site.post("/api/v1/orders", "order", &order).await;
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.body, placed.body);
        let customer = json!({"name": "Dana", "address": {"flat_number": 1, "post_code": 2}});
        for (path, body, id) in [
            ("/api/v1/orders", &order, 2502),
            ("/api/v1/items", &item, 52),
            ("/api/v1/customers", &customer, 1201),
        ] {
            assert_eq!(site.post(path, path, body).await.json()["id"], id);
        }
        drop(site);
        target.remove().await;
    }
}

/// Copies with an echo of the statements, which must not show the secret that signs cursors.
async fn copy(db: &TestDatabase, target: &TestDatabase) {
    let copied = db.run(&["copy", "--echo", "--to", &target.url]).await;
    let log = stderr(&copied);
    assert!(copied.status.success(), "{log}");
    assert!(log.contains("INSERT INTO") && log.contains("Zoë"), "{log}");
    assert!(!log.contains(&secret(db).await), "the log shows the secret");
    let report = String::from_utf8(copied.stdout).unwrap();
    let report: Vec<_> =
        report.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    for table in
        [["customer", "1200"], ["orders", "2501"], ["idempotency_keys", "2"], ["secrets", "1"]]
    {
        assert!(report.contains(&table.to_vec()), "{table:?} is not in {report:?}");
    }
}

async fn secret(db: &TestDatabase) -> String {
    let connection = db.connect().await;
    let select =
        Statement::from_string(connection.get_database_backend(), "SELECT value FROM secrets");
    let row = connection.query_one_raw(select).await.unwrap().expect("a secret");
    row.try_get("", "value").unwrap()
}

async fn an_empty_database_can_be_copied(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let target = create(Backend::Sqlite).await;
    let report = db.run_ok(&["copy", "--to", &target.url]).await;
    assert!(report.lines().all(|line| line.ends_with(" 0")), "{report}");
    let name = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let copied: BTreeSet<_> = report.lines().map(name).collect();
    let mut tables: BTreeSet<_> = tables(db).await.into_iter().collect();
    assert!(tables.remove("bulk_loads"));
    assert_eq!(copied, tables);

    db.run_ok(&["copy", "--to", &target.url]).await;
    target.run_ok(&["seed", "demo"]).await;
    db.run_ok(&["migrate", "fresh"]).await;
    target.run_ok(&["copy", "--to", &db.url]).await;
    let app = db.serve(&[]).await;
    assert_eq!(app.client.place_order(1, &[(MILK, 1)]).await.json()["id"], 4);
}

async fn only_an_empty_and_migrated_database_is_copied_to(db: &TestDatabase) {
    let source = create(Backend::Sqlite).await;
    source.run_ok(&["seed", "demo"]).await;
    let refused = async || {
        let output = source.run(&["copy", "--to", &db.url]).await;
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    let message = refused().await;
    assert!(message.contains("marketsvc migrate up"), "{message}");
    db.run_ok(&["migrate", "up"]).await;
    for (table, sql) in [
        ("secrets", "INSERT INTO secrets VALUES ('cursor', 'x')"),
        ("item", "INSERT INTO item (name, price_cents) VALUES ('Tea', 1)"),
        ("address", "INSERT INTO address (flat_number, post_code) VALUES (1, 1)"),
    ] {
        db.execute(sql).await.unwrap();
        let message = refused().await;
        assert!(message.contains(&format!("its table {table} has rows")), "{message}");
        assert_eq!(db.count("customer").await, 0);
    }
    let itself = source.run(&["copy", "--to", &source.url]).await;
    assert!(stderr(&itself).contains("its table address has rows"), "{}", stderr(&itself));
    let nowhere = source.run(&["copy", "--to", "postgres://joe:s3cret@127.0.0.1:1/shop"]).await;
    let message = stderr(&nowhere);
    assert!(message.contains("cannot connect to postgres://joe:***@127.0.0.1:1/shop"), "{message}");
}

/// Generates rows that take a while to copy, and returns them with an empty database of another kind.
async fn with_target(db: &TestDatabase) -> TestDatabase {
    db.generate(2000, 50, 20_000, 1).await;
    let target = targets(db.backend).next().expect("SQLite is available");
    create(target).await
}

async fn an_interrupted_copy_starts_over(db: &TestDatabase) {
    let target = with_target(db).await;
    let copy = ["copy", "--to", &target.url];
    kill_midway(&db.url, &copy, &target).await;
    let output = db.run(&copy).await;
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains("interrupted") && message.contains("marketsvc migrate fresh"),
        "{message}"
    );
    let seed = ["seed", "generate", "--customers", "1", "--items", "1", "--orders", "1"];
    let app = target.serve(&[]).await;
    app.logged("the database holds an unfinished load (copy of another database)").await;
    drop(app);
    let seeded = target.run(&seed).await;
    assert!(stderr(&seeded).contains("unfinished load (copy of"), "{}", stderr(&seeded));

    target.run_ok(&["migrate", "fresh"]).await;
    db.run_ok(&copy).await;
    for table in ["customer", "orders", "order_items"] {
        assert_eq!(target.count(table).await, db.count(table).await, "{table}");
    }
    assert_eq!(target.count("bulk_loads").await, 0);
    target.remove().await;
}

async fn a_copy_of_a_database_that_changes_is_an_error(db: &TestDatabase) {
    let target = with_target(db).await;
    let change = async {
        until_done(&target, 5000).await;
        let sql = "INSERT INTO address (flat_number, post_code) VALUES (1, 1)";
        db.execute(sql).await.unwrap();
    };
    let copy = ["copy", "--to", &target.url];
    let (output, ()) = tokio::join!(db.run(&copy), change);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains("address has 2001 rows in the source and 2000 in the target"),
        "{message}"
    );
    let again = db.run(&copy).await;
    assert!(stderr(&again).contains("interrupted"), "{}", stderr(&again));
    target.remove().await;
}
