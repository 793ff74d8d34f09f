//! The server is killed while it works.

use futures_util::future::join_all;

use super::{a_moment, eventually, ledger::Ledger, times};
use crate::{
    cases,
    harness::{backend::Backend, case::Case, database::TestDatabase},
};

/// Clients that place orders at once.
const CLIENTS: u32 = 12;

/// Orders acknowledged before each kill.
const ORDERS: usize = 40;

pub fn cases() -> Vec<Case> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    cases![what_was_acknowledged_outlives_a_killed_server]
}

async fn what_was_acknowledged_outlives_a_killed_server(db: &TestDatabase) {
    let kills = times("TRIAL_KILLS", 5);
    let ledger = Ledger::default();
    let mut app = db.serve_demo().await;
    for n in 0..kills {
        let (asked, acknowledged) = (ledger.len(), ledger.acknowledged());
        let clients = (0..CLIENTS).map(|_| ledger.place_until_it_is_gone(&app.client));
        let kill = async {
            let enough = async || ledger.acknowledged() >= acknowledged + ORDERS;
            eventually("orders are placed", enough).await;
            a_moment(n).await;
            app.kill();
        };
        tokio::join!(join_all(clients), kill);
        app = db.serve(&[]).await;
        ledger.send_again(&app.client, asked).await;
        if db.backend == Backend::Sqlite {
            db.check_file().await;
        }
    }
    ledger.settle(&app.client).await;
    assert_eq!(usize::try_from(db.count("idempotency_keys").await), Ok(ledger.keys()));
    ledger.report(&format!("{} {kills} times the server is killed", db.backend.name()));
}
