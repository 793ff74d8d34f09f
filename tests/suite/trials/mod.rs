//! What the service must survive: the trials of `docs/reliability.md` that need more than a request.

mod crashes;
mod hostile;
mod ledger;
mod outages;
mod overload;
mod processes;

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DatabaseConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::harness::{app::PATIENCE, backend::Backend, case::Case, database::TestDatabase};

pub fn cases() -> Vec<Case> {
    [crashes::cases(), hostile::cases(), outages::cases(), overload::cases(), processes::cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// How often a trial does its worst: a few times, or as often as the environment says.
fn times(variable: &str, usually: u32) -> u32 {
    std::env::var(variable).map_or(usually, |times| times.parse().expect(variable))
}

/// Waits for what must come about.
async fn eventually(what: &str, mut has_come: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !has_come().await {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Passes a moment that is another one each time, so that what is interrupted is at another point.
async fn a_moment(n: u32) {
    tokio::time::sleep(Duration::from_micros(u64::from(n * 1_700 % 10_000))).await;
}

/// Lets nobody else write orders, until [`unlock_orders`].
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

/// Asks for `path` and reads no more than the start of the answer; what waits in between is little.
async fn stalled_reader(address: &str, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut reader = socket.connect(address.parse().unwrap()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    reader.write_all(request.as_bytes()).await.unwrap();
    let mut start = [0; 15];
    reader.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    reader
}

/// For a part of a URL: every byte as `%XX`.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02X}").expect("a string takes everything");
        encoded
    })
}
