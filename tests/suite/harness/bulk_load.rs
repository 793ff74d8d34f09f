//! Commands that load many rows and are killed midway.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{process::Command, time::sleep};

use super::{
    app::EVENT_TIMEOUT,
    database::{MARKETSVC, TestDatabase},
};

/// Returns the number of rows of the load that is not finished; 0 if there is none.
pub async fn rows_done(db: &TestDatabase) -> i64 {
    db.number("SELECT coalesce(max(done), 0) AS n FROM bulk_loads").await
}

/// Waits until the load of `db` has at least that many rows.
pub async fn until_done(db: &TestDatabase, rows: i64) {
    let started = Instant::now();
    while rows_done(db).await < rows {
        assert!(started.elapsed() < EVENT_TIMEOUT, "less than {rows} rows");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Runs `marketsvc` with `args` on the database at `url`, kills it when the load of `target` has 5000 rows, and returns
/// the number of rows that the target then counts.
pub async fn kill_midway(url: &str, args: &[&str], target: &TestDatabase) -> i64 {
    let mut command = Command::new(MARKETSVC);
    command.args(args).env("DATABASE_URL", url).env_remove("RUST_LOG");
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().expect("the program should start");
    until_done(target, 5000).await;
    child.kill().await.expect("the child can be killed");
    // The server may still commit the last transaction.
    sleep(Duration::from_millis(300)).await;
    let done = rows_done(target).await;
    assert!(done > 0, "the command ended before it was killed");
    done
}
