//! Migrations of the schema, applied and rolled back.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Statement};
use tokio::time::sleep;

use crate::{
    cases,
    harness::{
        app::App,
        backend::Backend,
        case::Case,
        client::{ALEX, MILK},
        database::{MARKETSVC, MIGRATION, TestDatabase, run, stderr},
        server::Server,
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        both_programs_apply_and_roll_back_migrations,
        concurrent_migrations_all_succeed,
        a_failed_migration_can_be_run_again,
        commands_refuse_a_missing_schema,
        a_newer_schema_is_served_and_not_rolled_back,
        migrating_again_keeps_the_data,
    ];
    cases.extend(cases![SERVERS;
        a_renewed_lock_is_waited_for_and_an_abandoned_one_taken_over,
        nothing_is_written_if_nothing_is_pending,
        an_interrupted_refresh_can_be_completed,
    ]);
    cases
}

/// Returns the names of all migrations, oldest first.
async fn names(db: &TestDatabase) -> Vec<String> {
    let status = db.run_ok(&["migrate", "status"]).await;
    let name = |line: &str| line.split_whitespace().last().expect("a name").to_owned();
    let names: Vec<_> = status.lines().map(name).collect();
    assert!(names.len() > 1 && names.is_sorted(), "{names:?}");
    names
}

/// Returns one line for each migration.
fn lines<'a>(prefix: &str, names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| format!("{prefix}{name}\n")).collect::<Vec<_>>().concat()
}

/// Returns the names of the tables, without those of the migrator.
pub async fn tables(db: &TestDatabase) -> Vec<String> {
    let list = match db.backend {
        Backend::Sqlite => {
            "SELECT name AS n FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        }
        Backend::Postgres => {
            "SELECT table_name::text AS n FROM information_schema.tables WHERE table_schema = 'public'"
        }
        Backend::Mysql => {
            "SELECT table_name AS n FROM information_schema.tables WHERE table_schema = database()"
        }
    };
    let connection = db.connect().await;
    let list = Statement::from_string(connection.get_database_backend(), list);
    let rows = connection.query_all_raw(list).await.unwrap();
    let names = rows.iter().map(|row| row.try_get::<String>("", "n").unwrap());
    names.filter(|name| !["seaql_migrations", "migration_lock"].contains(&name.as_str())).collect()
}

async fn both_programs_apply_and_roll_back_migrations(db: &TestDatabase) {
    let names = names(db).await;
    let (first, later, last) = (&names[..1], &names[1..], &names[names.len() - 1..]);
    let earlier = &names[..names.len() - 1];
    let applied = lines("applied ", &names);
    for (program, prefix) in [(MARKETSVC, &["migrate"][..]), (MIGRATION, &[])] {
        let run_ok = async |args: &[&str]| {
            let args: Vec<_> = prefix.iter().chain(args).copied().collect();
            let output = run(program, &db.url, &args).await;
            assert!(output.status.success(), "{args:?}: {}", stderr(&output));
            String::from_utf8(output.stdout).unwrap()
        };
        let rolled_back = lines("rolled back ", names.iter().rev());
        assert_eq!(run_ok(&["status"]).await, lines("Pending  ", &names));
        assert_eq!(run_ok(&["up"]).await, applied);
        assert_eq!(run_ok(&["up"]).await, "nothing to do\n");
        assert_eq!(run_ok(&["status"]).await, lines("Applied  ", &names));
        assert_eq!(run_ok(&["down"]).await, lines("rolled back ", last));
        assert_eq!(
            run_ok(&["down", "-n", "99"]).await,
            lines("rolled back ", earlier.iter().rev())
        );
        assert_eq!(run_ok(&["down"]).await, "nothing to do\n");
        assert_eq!(run_ok(&["up", "-n", "1"]).await, lines("applied ", first));
        assert_eq!(run_ok(&["up"]).await, lines("applied ", later));
        assert_eq!(run_ok(&["refresh"]).await, format!("{rolled_back}{applied}"));
        db.execute("CREATE TABLE unrelated (id INT)").await.unwrap();
        assert_eq!(run_ok(&["fresh"]).await, applied);
        let tables_made = tables(db).await;
        assert!(!tables_made.contains(&"unrelated".to_owned()), "{tables_made:?}");
        for table in ["customer", "orders", "api_keys"] {
            assert!(tables_made.contains(&table.to_owned()), "{tables_made:?}");
        }
        for table in tables_made {
            assert_eq!(db.count(&table).await, 0);
        }
        assert_eq!(run_ok(&["reset"]).await, rolled_back);
        assert_eq!(tables(db).await, Vec::<String>::new());
    }
}

async fn concurrent_migrations_all_succeed(db: &TestDatabase) {
    let outputs = join_all((0..8).map(|_| db.run(&["migrate", "up"]))).await;
    for output in &outputs {
        assert!(output.status.success(), "{}", stderr(output));
    }
    let applied = outputs.iter().filter(|output| output.stdout.starts_with(b"applied")).count();
    assert_eq!(applied, 1);
    let recorded = usize::try_from(db.count("seaql_migrations").await);
    assert_eq!(recorded, Ok(names(db).await.len()));

    let servers = join_all((0..4).map(|_| db.serve_demo())).await;
    for server in servers {
        assert_eq!(server.client.get_json("/api/customers").await.as_array().unwrap().len(), 3);
    }
}

async fn a_failed_migration_can_be_run_again(db: &TestDatabase) {
    // Conflicts with the fourth table of the migration; on MySQL with its index.
    db.execute("CREATE TABLE orders (id INT PRIMARY KEY)").await.unwrap();
    let output = db.run(&["migrate", "up"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    if db.backend != Backend::Mysql {
        assert_eq!(tables(db).await, ["orders"]);
        assert!(db.execute("SELECT * FROM seaql_migrations").await.is_err());
    }
    db.execute("DROP TABLE orders").await.unwrap();
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
}

async fn commands_refuse_a_missing_schema(db: &TestDatabase) {
    let names = names(db).await;
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["seed", "demo"]] {
        let output = db.run(args).await;
        assert_eq!(output.status.code(), Some(1));
        let message = stderr(&output);
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(
            message.contains(&names[0]) && message.contains("marketsvc migrate up"),
            "{message}"
        );
    }
    let app = db.serve(&["--migrate"]).await;
    assert_eq!(app.client.get("/api/customers").await.body, "[]");
}

/// Servers of two releases run beside each other while they are exchanged one by one.
async fn a_newer_schema_is_served_and_not_rolled_back(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    db.execute("INSERT INTO seaql_migrations VALUES ('m29990101_000001_later', 1)").await.unwrap();
    assert_eq!(db.run_ok(&["migrate", "up"]).await, "nothing to do\n");
    let status = db.run_ok(&["migrate", "status"]).await;
    assert!(status.ends_with("\nUnknown  m29990101_000001_later\n"), "{status}");
    let app = db.serve(&["--demo"]).await;
    app.client.get("/readyz").await.assert_status(200);
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
    for command in ["down", "refresh", "reset"] {
        let output = db.run(&["migrate", command]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("m29990101_000001_later"), "{}", stderr(&output));
    }
    assert_eq!(db.count("orders").await, 4);
    db.run_ok(&["migrate", "fresh"]).await;
    assert_eq!(db.count("orders").await, 0);
}

/// The lock must be held for longer than its expiry, 10 s, to tell its two ends apart.
async fn a_renewed_lock_is_waited_for_and_an_abandoned_one_taken_over(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let reset = db.run_ok(&["migrate", "reset"]).await;
    assert!(reset.starts_with("rolled back"), "{reset}");
    db.execute("INSERT INTO migration_lock VALUES (1, 'another', 0)").await.unwrap();
    let started = Instant::now();
    let renew = async {
        while started.elapsed() < Duration::from_secs(12) {
            db.execute("UPDATE migration_lock SET renewals = renewals + 1").await.unwrap();
            sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(tables(db).await, Vec::<String>::new());
    };
    let (up, ()) = tokio::join!(db.run(&["migrate", "up"]), renew);
    assert!(up.status.success(), "{}", stderr(&up));
    assert!(stderr(&up).contains("took over the migration lock of process another"));
    assert!(started.elapsed() > Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(db.count("migration_lock").await, 0);
}

async fn migrating_again_keeps_the_data(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["seed", "demo"]).await;
    db.run_ok(&["migrate", "up"]).await;
    db.run_ok(&["migrate", "status"]).await;
    drop(db.serve(&["--migrate", "--demo"]).await);
    assert_eq!(db.count("order_items").await, 5);
}

/// On a standby nothing can be written.
async fn nothing_is_written_if_nothing_is_pending(db: &TestDatabase) {
    let Some(server) = Server::start(db.backend).await else {
        println!("skipped: no program to start a separate database server");
        return;
    };
    let url = server.user_url().await;
    let up = async || run(MARKETSVC, &url, &["migrate", "up"]).await;
    server.set_read_only(true).await;
    assert_eq!(up().await.status.code(), Some(1));
    server.set_read_only(false).await;
    assert!(up().await.status.success());
    // The first server writes the secret of cursors.
    drop(App::start(&url, &["--demo"]).await);
    server.set_read_only(true).await;
    let again = up().await;
    assert_eq!(String::from_utf8_lossy(&again.stdout), "nothing to do\n", "{}", stderr(&again));
    let app = App::start(&url, &["--migrate"]).await;
    app.client.get("/api/v1/orders").await.assert_status(200);
}

/// MySQL commits each change of the schema, so that a killed process leaves some of them.
async fn an_interrupted_refresh_can_be_completed(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let mut complete = tables(db).await;
    complete.sort();
    let mut interrupted = 0;
    for n in 0..12 {
        let mut refresh = tokio::process::Command::new(MARKETSVC);
        let mut refresh = refresh
            .args(["migrate", if n % 2 == 0 { "refresh" } else { "fresh" }])
            .env("DATABASE_URL", &db.url)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(10 + 10 * n)).await;
        interrupted += u32::from(refresh.try_wait().unwrap().is_none());
        refresh.kill().await.unwrap();
        // Without the lock the next process would wait until it expires; MySQL may still finish a statement.
        sleep(Duration::from_millis(100)).await;
        db.execute("DELETE FROM migration_lock").await.unwrap();
        db.run_ok(&["migrate", "up"]).await;
        let mut found = tables(db).await;
        found.sort();
        assert_eq!(found, complete, "round {n}");
    }
    assert!(interrupted > 0);
}
