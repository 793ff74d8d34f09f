//! Backups of a SQLite file while orders are placed.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use tokio::{process::Command, time::sleep};

use super::eventually;
use crate::{
    cases,
    harness::{
        app::App,
        case::Case,
        client::{ALEX, MILK},
        database::TestDatabase,
    },
};

/// Longest pause between two orders that is accepted on a busy machine. Checkpoints that wait for a reader take 5 s.
const LONGEST_GAP: Duration = Duration::from_secs(2);

pub fn cases() -> Vec<Case> {
    cases![SQLITE;
        an_open_reader_does_not_delay_orders,
        backups_do_not_delay_orders,
        the_log_shrinks_after_a_long_reader,
    ]
}

/// Places orders from four clients while `during` runs, and returns the longest pause between two of them.
async fn longest_gap(app: &App, during: impl Future<Output = ()>) -> Duration {
    let done = Cell::new(false);
    let placed = RefCell::new((Instant::now(), Duration::ZERO));
    let clients = (0..4).map(|_| async {
        while !done.get() {
            app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
            let (last, longest) = *placed.borrow();
            let now = Instant::now();
            *placed.borrow_mut() = (now, longest.max(now - last));
        }
    });
    let during = async {
        during.await;
        done.set(true);
    };
    tokio::join!(join_all(clients), during);
    let (last, longest) = placed.into_inner();
    longest.max(last.elapsed())
}

async fn an_open_reader_does_not_delay_orders(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let reader = db.connect().await;
    reader.execute_unprepared("BEGIN; SELECT count(*) FROM orders").await.unwrap();
    let gap = longest_gap(&app, sleep(Duration::from_secs(8))).await;
    reader.execute_unprepared("ROLLBACK").await.unwrap();
    println!("fault injection: longest pause of orders beside an open reader {gap:?}");
    assert!(gap < LONGEST_GAP, "{gap:?}");
}

/// The commands of `docs/operations.md`.
async fn backups_do_not_delay_orders(db: &TestDatabase) {
    db.generate(100, 100, 20_000, 1).await;
    let app = db.serve(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    for (name, command) in [("backup", ".backup"), ("vacuum", "VACUUM INTO")] {
        let copy = folder.path().join(format!("{name}.db"));
        let command = format!("{command} '{}'", copy.display());
        let backup = async {
            let output = Command::new("sqlite3").arg(db.file()).arg(&command).output().await;
            let output = output.expect("sqlite3 is installed");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let gap = longest_gap(&app, backup).await;
        println!("fault injection: longest pause of orders during {name} {gap:?}");
        assert!(gap < LONGEST_GAP, "{gap:?}");
        let check = Command::new("sqlite3").arg(&copy).arg("PRAGMA integrity_check").output().await;
        assert_eq!(check.unwrap().stdout, b"ok\n");
    }
}

async fn the_log_shrinks_after_a_long_reader(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let log =
        || std::fs::metadata(format!("{}-wal", db.file().display())).map_or(0, |log| log.len());
    let reader = db.connect().await;
    reader.execute_unprepared("BEGIN; SELECT count(*) FROM orders").await.unwrap();
    // Each order changes some pages of 4 KiB.
    let large = 20 << 20;
    let until_large = eventually("the log is large", async || log() > large);
    let gap = longest_gap(&app, until_large).await;
    assert!(gap < LONGEST_GAP, "{gap:?}");
    reader.execute_unprepared("ROLLBACK").await.unwrap();
    let until_small = eventually("the log is small", async || log() < large);
    let gap = longest_gap(&app, until_small).await;
    assert!(gap < LONGEST_GAP, "{gap:?}");
}
