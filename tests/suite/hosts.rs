//! Lists of database servers, of which the one that takes writes is used.

use std::time::Instant;

use crate::{
    cases,
    fault_injection::eventually,
    harness::{
        app::{App, EVENT_TIMEOUT},
        case::Case,
        client::{ALEX, MILK},
        database::{MARKETSVC, TestDatabase, run, stderr},
        guard::free_port,
        server::Server,
    },
};

pub fn cases() -> Vec<Case> {
    cases![SERVERS; the_server_that_takes_writes_is_found, a_silent_server_is_left_in_time]
}

/// Returns the URL with a list: a port at which no server listens, then the servers.
async fn url_of(a: &Server, b: &Server) -> String {
    let urls = [a.user_url().await, b.user_url().await];
    let [(credentials, first), (_, second)] =
        urls.each_ref().map(|url| url.split_once('@').expect("the URL has a user"));
    let (first, _) = first.split_once('/').expect("the URL names a database");
    format!("{credentials}@127.0.0.1:{},{first},{second}", free_port())
}

async fn the_server_that_takes_writes_is_found(db: &TestDatabase) {
    let (Some(a), Some(b)) = (Server::start(db.backend).await, Server::start(db.backend).await)
    else {
        println!("skipped: no program to start separate database servers");
        return;
    };
    let url = url_of(&a, &b).await;
    for server in [&a, &b] {
        server.db.run_ok(&["migrate", "up"]).await;
        server.db.run_ok(&["seed", "demo"]).await;
    }
    a.set_read_only(true).await;
    let app = App::start(&url, &["--demo"]).await;
    let place = || app.client.place_order(ALEX, &[(MILK, 1)]);
    let read = async |order: i64| {
        app.client.get(&format!("/api/v1/orders/{order}")).await.assert_status(200);
    };
    place().await.assert_status(201);
    assert_eq!((a.db.count("orders").await, b.db.count("orders").await), (3, 4));
    read(4).await;

    b.set_read_only(true).await;
    a.set_read_only(false).await;
    eventually("orders are placed", async || place().await.status == 201).await;
    assert_eq!((a.db.count("orders").await, b.db.count("orders").await), (4, 4));
    // The other server still answers reads, from its own rows.
    place().await.assert_status(201);
    read(5).await;

    a.kill();
    b.set_read_only(false).await;
    eventually("orders are placed", async || place().await.status == 201).await;
    assert_eq!(b.db.count("orders").await, 5);

    let read_only =
        run(MARKETSVC, &format!("{url}?target_session_attrs=read-only"), &["migrate", "status"])
            .await;
    assert_eq!(read_only.status.code(), Some(1));
    let message = stderr(&read_only);
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("refused") && message.contains("takes writes"), "{message}");
}

/// The wait for a silent server must leave time for the next one within the acquire timeout.
async fn a_silent_server_is_left_in_time(db: &TestDatabase) {
    let (proxy, _) = db.behind_proxy().await;
    proxy.be_silent();
    let (credentials, rest) = db.url.rsplit_once('@').expect("the URL has a user");
    let url = format!("{credentials}@{},{rest}", proxy.address);
    let started = Instant::now();
    for args in [&["--demo", "--acquire-timeout", "1"][..], &["--read-database-url", &url]] {
        let app = App::start(&url, args).await;
        app.client.get("/readyz").await.assert_status(200);
        app.client.get("/api/v1/orders").await.assert_status(200);
        app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
    }
    assert!(started.elapsed() < EVENT_TIMEOUT, "{:?}", started.elapsed());
}
