//! The database is killed while the server works.

use std::cell::Cell;

use futures_util::future::join_all;

use super::{a_moment, eventually, ledger::Ledger, times};
use crate::{
    cases,
    harness::{
        app::App,
        case::Case,
        client::{Answer, Client},
        database::TestDatabase,
        server::Server,
    },
};

/// Clients that place orders at once.
const CLIENTS: u32 = 12;

/// Orders acknowledged before and after each kill.
const ORDERS: usize = 40;

pub fn cases() -> Vec<Case> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    cases![SERVERS; what_was_acknowledged_outlives_a_killed_database]
}

async fn what_was_acknowledged_outlives_a_killed_database(db: &TestDatabase) {
    let Some(mut server) = Server::start(db.backend).await else {
        println!("trial: no program to start a database server of its own");
        return;
    };
    let kills = times("TRIAL_DB_KILLS", 2);
    let app = App::start(&server.db.url, &["--demo", "--acquire-timeout", "1"]).await;
    let ledger = Ledger::default();
    let done = Cell::new(false);
    let more_orders = async || {
        let acknowledged = ledger.acknowledged();
        let enough = async || ledger.acknowledged() >= acknowledged + ORDERS;
        eventually("orders are placed", enough).await;
    };
    let outages = async {
        for n in 0..kills {
            more_orders().await;
            a_moment(n).await;
            let refusals = ledger.refusals();
            server.kill();
            let all = async || ledger.refusals() >= refusals + CLIENTS as usize;
            eventually("everybody is told to come again", all).await;
            app.client.get("/livez").await.assert_status(200);
            app.client.get("/readyz").await.assert_problem(503);
            server.start_again().await;
        }
        more_orders().await;
        app.client.get("/readyz").await.assert_status(200);
        done.set(true);
    };
    let clients = (0..CLIENTS).map(|_| ledger.place_until(&app.client, &done));
    tokio::join!(join_all(clients), outages, read_until(&app.client, &done));
    ledger.settle(&app.client).await;
    ledger.report(&format!("{} is killed {kills} times", db.backend.name()));
}

/// Reads, whatever becomes of the database, until all is `done`.
async fn read_until(client: &Client, done: &Cell<bool>) {
    while !done.get() {
        for path in ["/api/order_total/1", "/api/orders_total?orders=1,2,3", "/api/v1/customers"] {
            let answer = client.get(path).await;
            if answer.status != 200 {
                answer.assert_problem(503);
                assert_eq!(answer.header("retry-after"), "1");
            }
        }
        // What breaks off in the middle of a stream is no answer at all.
        if let Ok(answer) = Answer::try_of(client.request("GET", "/api/customers")).await
            && answer.status != 503
        {
            assert_eq!(answer.assert_status(200).json().as_array().map(Vec::len), Some(3));
        }
    }
}
