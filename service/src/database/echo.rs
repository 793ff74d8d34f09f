//! Echo of the SQL statements in the log, as SQLAlchemy's `echo=True` shows them.
//!
//! Each statement is one line with its values and its duration. Connection set-up, pings and maintenance are not
//! shown. Off unless target `echo` is logged at level debug, since values are data.

use std::time::{Duration, Instant};

use sea_orm::Statement;

const TARGET: &str = "echo";

tokio::task_local! {
    /// Set while housekeeping runs.
    static SILENT: ();
}

/// Runs housekeeping, such as maintenance or a readiness probe, whose statements are neither echoed nor counted.
pub async fn silently<T>(housekeeping: impl Future<Output = T>) -> T {
    SILENT.scope((), housekeeping).await
}

/// Returns whether housekeeping runs.
pub(crate) fn is_silent() -> bool {
    SILENT.try_with(|()| ()).is_ok()
}

/// Returns whether statements are logged.
pub(crate) fn is_on() -> bool {
    log::log_enabled!(target: TARGET, log::Level::Debug) && !is_silent()
}

/// Logs a statement with its values.
pub(crate) fn statement(statement: &Statement, elapsed: Duration, failed: bool) {
    if is_on() {
        line(&statement.to_string(), elapsed, failed);
    }
}

/// Runs `work`, which is the statement `name` of a transaction, such as `COMMIT`, and logs it.
pub(crate) async fn transaction<T, E>(
    name: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    if !is_on() {
        return work.await;
    }
    let started = Instant::now();
    let outcome = work.await;
    line(name, started.elapsed(), outcome.is_err());
    outcome
}

fn line(sql: &str, elapsed: Duration, failed: bool) {
    let sql = sql.replace(['\n', '\r'], " ");
    let millis = elapsed.as_secs_f64() * 1e3;
    let outcome = if failed { ", failed" } else { "" };
    log::debug!(target: TARGET, "{sql}  ({millis:.3} ms{outcome})");
}
