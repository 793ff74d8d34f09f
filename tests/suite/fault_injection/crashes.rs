//! SIGKILL of the server while it processes orders.

use futures_util::future::join_all;

use super::{eventually, ledger::Ledger, repetitions, varying_delay};
use crate::{
    cases,
    harness::{backend::Backend, case::Case, database::TestDatabase},
};

/// Number of clients that place orders concurrently.
const CLIENTS: u32 = 12;

/// Number of orders acknowledged before each kill.
const ORDERS: usize = 40;

pub fn cases() -> Vec<Case> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    cases![acknowledged_orders_survive_a_killed_server]
}

async fn acknowledged_orders_survive_a_killed_server(db: &TestDatabase) {
    let kills = repetitions("FAULT_KILLS", 5);
    let ledger = Ledger::default();
    let mut app = db.serve_demo().await;
    for n in 0..kills {
        let (sent, acknowledged) = (ledger.len(), ledger.acknowledged());
        let clients = (0..CLIENTS).map(|_| ledger.place_until_disconnected(&app.client));
        let kill = async {
            let enough = async || ledger.acknowledged() >= acknowledged + ORDERS;
            eventually("orders are placed", enough).await;
            varying_delay(n).await;
            app.kill();
        };
        tokio::join!(join_all(clients), kill);
        app = db.serve(&[]).await;
        ledger.send_again(&app.client, sent).await;
        if db.backend == Backend::Sqlite {
            db.check_file().await;
        }
    }
    ledger.verify(&app.client).await;
    assert_eq!(usize::try_from(db.count("idempotency_keys").await), Ok(ledger.keys()));
    ledger.report(&format!("{} server killed {kills} times", db.backend.name()));
}
