//! More concurrent requests than database connections.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{eventually, lock_orders, stalled_reader, unlock_orders, varying_delay};
use crate::{
    cases,
    harness::{
        backend::Backend,
        case::Case,
        client::{ALEX, BLAKE, BREAD, MILK},
        database::TestDatabase,
    },
};

/// Upper bound for a response while another process holds a lock. The service waits five seconds; the rest
/// is a margin for slow machines.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        an_exhausted_pool_is_503_within_seconds,
        disconnecting_clients_leave_no_transaction_open,
    ];
    cases.extend(cases![SERVERS;
        clients_that_leave_start_no_more_statements_than_there_are_places,
    ]);
    if cfg!(target_os = "linux") {
        cases.extend(cases![stalled_readers_do_not_delay_other_clients]);
    }
    cases
}

async fn an_exhausted_pool_is_503_within_seconds(db: &TestDatabase) {
    let app = db.serve(&["--demo", "--max-connections", "2", "--acquire-timeout", "1"]).await;
    let holder = lock_orders(db).await;
    let started = Instant::now();
    let placing = (0..200).map(|_| async {
        let response = app.client.place_order(ALEX, &[(MILK, 1)]).await;
        (response, started.elapsed())
    });
    let probing = async {
        for _ in 0..20 {
            app.client.get("/livez").await.assert_status(200);
        }
    };
    let all = async { tokio::join!(join_all(placing), probing) };
    let (responses, ()) = timeout(RESPONSE_TIMEOUT * 2, all)
        .await
        .expect("all clients should get a response in time");
    for (response, waited) in &responses {
        response.assert_problem(503);
        assert_eq!(response.header("retry-after"), "1");
        assert!(*waited < RESPONSE_TIMEOUT, "{waited:?} for {response:?}");
    }
    let longest = responses.iter().map(|(_, waited)| *waited).max().unwrap();
    let soon = responses.iter().filter(|(_, waited)| waited.as_secs() < 3).count();
    unlock_orders(db, holder).await;

    // No refused request blocks the following ones or is executed later.
    let started = Instant::now();
    let placing = (0..20).map(|_| app.client.place_order(BLAKE, &[(MILK, 1)]));
    for response in join_all(placing).await {
        response.assert_status(201);
    }
    assert!(started.elapsed() < RESPONSE_TIMEOUT / 2, "{:?}", started.elapsed());
    assert_eq!(db.count("orders").await, 3 + 20);
    println!(
        "fault injection: {} 200 clients without a connection: {soon} refused within 3 s, the last \
         after {longest:.1?}",
        db.backend.name()
    );
}

async fn disconnecting_clients_leave_no_transaction_open(db: &TestDatabase) {
    let app = db.serve(&["--demo", "--max-connections", "2"]).await;
    let body = r#"{"customer_id":1,"items":[{"id":1,"quantity":1},{"id":3,"quantity":1}]}"#;
    let place = format!(
        "POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let requests =
        [place, get("/api/orders/1"), get("/api/orders_total?orders=1,2,3"), get("/api/customers")];
    for n in 0..100 {
        for request in &requests {
            let mut client = TcpStream::connect(&app.address).await.unwrap();
            client.write_all(request.as_bytes()).await.unwrap();
            if n % 4 != 0 {
                // Resets the connection, so that the server drops the request.
                client.set_zero_linger().unwrap();
            }
            varying_delay(n).await;
        }
    }
    eventually("no transaction is open", async || open_transactions(db).await == 0).await;
    // Both connections can still read and write.
    let placing = (0..20).map(|_| app.client.place_order(BLAKE, &[(MILK, 1), (BREAD, 1)]));
    let reading = (0..20).map(|_| app.client.get("/api/orders/2"));
    let (placed, read) = tokio::join!(join_all(placing), join_all(reading));
    for (response, status) in placed.iter().map(|a| (a, 201)).chain(read.iter().map(|a| (a, 200))) {
        response.assert_status(status);
    }
    let incomplete = "SELECT count(*) AS n FROM orders WHERE id > 3 AND \
                  (SELECT count(*) FROM order_items WHERE order_id = orders.id) <> 2";
    assert_eq!(db.number(incomplete).await, 0);
}

/// Returns the number of abandoned transactions; on SQLite 1 if a lock is held.
async fn open_transactions(db: &TestDatabase) -> i64 {
    match db.backend {
        Backend::Sqlite => i64::from(db.execute("BEGIN IMMEDIATE; ROLLBACK").await.is_err()),
        Backend::Postgres => {
            db.number(
                "SELECT count(*) AS n FROM pg_stat_activity \
                 WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
            )
            .await
        }
        Backend::Mysql => {
            db.number(
                "SELECT count(*) AS n FROM information_schema.innodb_trx AS trx \
                 JOIN information_schema.processlist AS list ON list.id = trx.trx_mysql_thread_id \
                 WHERE list.db = database()",
            )
            .await
        }
    }
}

async fn stalled_readers_do_not_delay_other_clients(db: &TestDatabase) {
    const PAGES: usize = 120;
    const READERS: usize = 32;
    db.generate(500 * u32::try_from(PAGES).unwrap(), 10, 10, 1).await;
    let app = db
        .serve(&[
            "--max-connections",
            "4",
            "--acquire-timeout",
            "1",
            "--max-expensive-requests",
            "32",
            "--client-share",
            "100",
        ])
        .await;
    let before = app.mark().await;
    let idle = app.peak_memory();
    let mut stalled = Vec::new();
    for _ in 0..READERS {
        stalled.push(stalled_reader(&app.address, "/api/customers").await);
    }
    let started = Instant::now();
    let others = (0..16).map(|_| async {
        for _ in 0..5 {
            app.client.get("/api/order_total/1").await.assert_status(200);
            app.client.place_order(1, &[(MILK, 1)]).await.assert_status(201);
        }
    });
    join_all(others).await;
    assert!(started.elapsed() < RESPONSE_TIMEOUT, "{:?}", started.elapsed());
    let grown = app.peak_memory() - idle;
    assert!(grown < 64 * 1024, "{grown} kB more for {READERS} readers");
    let pages = app.echo_since(before);
    let pages = pages.iter().filter(|echo| echo.sql.contains("address")).count();
    assert!((1..READERS * PAGES / 2).contains(&pages), "{pages} pages were read without a reader");
    println!(
        "fault injection: {} {READERS} stalled readers: {grown} kB, {pages} of {} pages",
        db.backend.name(),
        READERS * PAGES
    );

    // A reader that continues gets the rest.
    let mut rest = Vec::new();
    stalled.swap_remove(0).read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"]\r\n0\r\n\r\n"));
}

/// The place of a connection is free again when its statement has ended, not when its client has left.
async fn clients_that_leave_start_no_more_statements_than_there_are_places(db: &TestDatabase) {
    let app = db.serve(&["--demo", "--max-connections", "4", "--acquire-timeout", "1"]).await;
    let (sleep_a_second, busy) = match db.backend {
        Backend::Mysql => (
            "SLEEP(1) = 0",
            "SELECT count(*) AS n FROM information_schema.processlist \
             WHERE db = DATABASE() AND command <> 'Sleep' AND info LIKE '%item%price%'",
        ),
        _ => (
            "pg_sleep(1) IS NOT NULL",
            "SELECT count(*) AS n FROM pg_stat_activity \
             WHERE datname = current_database() AND state = 'active' AND query LIKE '%item%price%'",
        ),
    };
    db.execute("ALTER TABLE item RENAME TO item_rows").await.unwrap();
    let view = format!("CREATE VIEW item AS SELECT * FROM item_rows WHERE {sleep_a_second}");
    db.execute(&view).await.unwrap();
    let mut most = 0;
    for _ in 0..8 {
        let leaving =
            (0..8).map(|_| timeout(Duration::from_millis(300), app.client.get("/api/v1/items")));
        assert!(join_all(leaving).await.iter().all(Result::is_err));
        most = most.max(db.number(busy).await);
    }
    // The statement that counts may count itself.
    assert!((1..=4 + 1).contains(&most), "{most} statements at the same time");
    let served = async || app.client.get("/api/v1/orders/1").await.status == 200;
    db.execute("DROP VIEW item").await.unwrap();
    db.execute("ALTER TABLE item_rows RENAME TO item").await.unwrap();
    eventually("the places are free again", served).await;
}
