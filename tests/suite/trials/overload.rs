//! More is asked for than there are connections.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{a_moment, eventually, lock_orders, stalled_reader, unlock_orders};
use crate::{
    cases,
    harness::{
        backend::Backend,
        case::Case,
        client::{ALEX, BLAKE, BREAD, MILK},
        database::TestDatabase,
    },
};

/// Longer than anybody has to wait for an answer while others hold a lock, which is five seconds, however
/// slow the machine is.
const GENEROUS: Duration = Duration::from_secs(20);

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        where_no_connection_is_free_clients_are_told_soon,
        clients_that_leave_leave_no_transaction_open,
    ];
    if cfg!(target_os = "linux") {
        cases.extend(cases![many_stalled_readers_cost_others_nothing]);
    }
    cases
}

async fn where_no_connection_is_free_clients_are_told_soon(db: &TestDatabase) {
    let app = db.serve(&["--demo", "--max-connections", "2", "--acquire-timeout", "1"]).await;
    let holder = lock_orders(db).await;
    let started = Instant::now();
    let placing = (0..200).map(|_| async {
        let answer = app.client.place_order(ALEX, &[(MILK, 1)]).await;
        (answer, started.elapsed())
    });
    let probing = async {
        for _ in 0..20 {
            app.client.get("/livez").await.assert_status(200);
        }
    };
    let all = async { tokio::join!(join_all(placing), probing) };
    let (answers, ()) = timeout(GENEROUS * 2, all).await.expect("clients are left waiting");
    for (answer, waited) in &answers {
        answer.assert_problem(503);
        assert_eq!(answer.header("retry-after"), "1");
        assert!(*waited < GENEROUS, "{waited:?} for {answer:?}");
    }
    let longest = answers.iter().map(|(_, waited)| *waited).max().unwrap();
    let soon = answers.iter().filter(|(_, waited)| waited.as_secs() < 3).count();
    unlock_orders(db, holder).await;

    // Nobody is left who stands in the way, or is carried out after all.
    let started = Instant::now();
    let placing = (0..20).map(|_| app.client.place_order(BLAKE, &[(MILK, 1)]));
    for answer in join_all(placing).await {
        answer.assert_status(201);
    }
    assert!(started.elapsed() < GENEROUS / 2, "{:?}", started.elapsed());
    assert_eq!(db.count("orders").await, 3 + 20);
    println!(
        "trial: {} 200 clients without a connection: {soon} told within 3 s, the last after \
         {longest:.1?}",
        db.backend.name()
    );
}

async fn clients_that_leave_leave_no_transaction_open(db: &TestDatabase) {
    let app = db.serve(&["--demo", "--max-connections", "2"]).await;
    let body = r#"{"customer_id":1,"items":[{"id":1,"quantity":1},{"id":3,"quantity":1}]}"#;
    let place = format!(
        "POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let requests =
        [place, get("/api/orders/1"), get("/api/orders_total?orders=1,2,3"), get("/api/customers")];
    for n in 0..100 {
        for request in &requests {
            let mut client = TcpStream::connect(&app.address).await.unwrap();
            client.write_all(request.as_bytes()).await.unwrap();
            if n % 4 != 0 {
                // Not an end, after which an answer may still come: the request is dropped.
                client.set_zero_linger().unwrap();
            }
            a_moment(n).await;
        }
    }
    eventually("no transaction is open", async || open_transactions(db).await == 0).await;
    // Both connections do both.
    let placing = (0..20).map(|_| app.client.place_order(BLAKE, &[(MILK, 1), (BREAD, 1)]));
    let reading = (0..20).map(|_| app.client.get("/api/orders/2"));
    let (placed, read) = tokio::join!(join_all(placing), join_all(reading));
    for (answer, status) in placed.iter().map(|a| (a, 201)).chain(read.iter().map(|a| (a, 200))) {
        answer.assert_status(status);
    }
    let halved = "SELECT count(*) AS n FROM orders WHERE id > 3 AND \
                  (SELECT count(*) FROM order_items WHERE order_id = orders.id) <> 2";
    assert_eq!(db.number(halved).await, 0);
}

/// How many transactions nobody goes on with, or nobody can begin.
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

async fn many_stalled_readers_cost_others_nothing(db: &TestDatabase) {
    const PAGES: usize = 120;
    const READERS: usize = 32;
    db.generate(500 * u32::try_from(PAGES).unwrap(), 10, 10, 1).await;
    let app = db.serve(&["--max-connections", "4", "--acquire-timeout", "1"]).await;
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
    assert!(started.elapsed() < GENEROUS, "{:?}", started.elapsed());
    let grown = app.peak_memory() - idle;
    assert!(grown < 64 * 1024, "{grown} kB more for {READERS} readers");
    let pages = app.log()[before..].iter().filter(|line| line.contains("address")).count();
    assert!(pages < READERS * PAGES / 2, "{pages} pages were read for nobody");
    println!(
        "trial: {} {READERS} stalled readers: {grown} kB, {pages} of {} pages",
        db.backend.name(),
        READERS * PAGES
    );

    // Who wakes up gets the rest.
    let mut rest = Vec::new();
    stalled.swap_remove(0).read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"]\r\n0\r\n\r\n"));
}
