//! Fault-injection tests: the failures listed in `docs/reliability.md` that need more than one request.

mod backups;
mod budgets;
mod connections;
mod crashes;
mod cursors;
mod expensive_reads;
mod groups;
mod hostile_input;
pub mod ledger;
mod memory;
mod network;
mod outages;
mod overload;
mod processes;
mod purge;
mod read_only;
mod slow_and_large_requests;

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DatabaseConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::harness::{app::EVENT_TIMEOUT, backend::Backend, case::Case, database::TestDatabase};

pub fn cases() -> Vec<Case> {
    [
        backups::cases(),
        budgets::cases(),
        connections::cases(),
        crashes::cases(),
        cursors::cases(),
        expensive_reads::cases(),
        groups::cases(),
        hostile_input::cases(),
        memory::cases(),
        network::cases(),
        outages::cases(),
        overload::cases(),
        processes::cases(),
        purge::cases(),
        read_only::cases(),
        slow_and_large_requests::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the number of times to inject a fault: from the environment `variable`, or else `default`.
fn repetitions(variable: &str, default: u32) -> u32 {
    std::env::var(variable).map_or(default, |number| number.parse().expect(variable))
}

/// Waits until the condition is true; panics with its description after [`EVENT_TIMEOUT`].
pub async fn eventually(description: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_true().await {
        assert!(started.elapsed() < EVENT_TIMEOUT, "never true: {description}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for a time that differs with `n`, so that each fault interrupts the work at another point.
async fn varying_delay(n: u32) {
    tokio::time::sleep(Duration::from_micros(u64::from(n * 1_700 % 10_000))).await;
}

/// Blocks writes to orders until [`unlock_orders`].
async fn lock_orders(db: &TestDatabase) -> DatabaseConnection {
    let holder = db.connect().await;
    let lock = match db.backend {
        Backend::Sqlite => "BEGIN IMMEDIATE",
        Backend::Postgres => "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE",
        Backend::Mysql => "LOCK TABLES orders WRITE",
    };
    holder.execute_unprepared(lock).await.expect(lock);
    holder
}

async fn unlock_orders(db: &TestDatabase, holder: DatabaseConnection) {
    let unlock = if db.backend == Backend::Mysql { "UNLOCK TABLES" } else { "ROLLBACK" };
    holder.execute_unprepared(unlock).await.expect(unlock);
    holder.close().await.expect("closing never fails");
}

/// Requests `path` and reads only the start of the response, with a small receive buffer.
async fn stalled_reader(address: &str, path: &str) -> TcpStream {
    stalled_reader_with(address, path, "").await
}

/// Requests `path` like [`stalled_reader`], with additional `headers`, each with its line end.
async fn stalled_reader_with(address: &str, path: &str, headers: &str) -> TcpStream {
    let (reader, status) = stalled_request(address, path, headers).await;
    assert_eq!(status, "200");
    reader
}

/// Requests `path` like [`stalled_reader`], and returns the status as well.
async fn stalled_request(address: &str, path: &str, headers: &str) -> (TcpStream, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut reader = socket.connect(address.parse().unwrap()).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    reader.write_all(request.as_bytes()).await.unwrap();
    let mut start = [0; "HTTP/1.1 200 ".len()];
    reader.read_exact(&mut start).await.unwrap();
    let status = String::from_utf8_lossy(&start);
    let status = status.strip_prefix("HTTP/1.1 ").expect("a response begins").trim().to_owned();
    (reader, status)
}

/// Percent-encodes every byte of `text` as `%XX`.
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02X}").expect("writing to a string never fails");
        encoded
    })
}
