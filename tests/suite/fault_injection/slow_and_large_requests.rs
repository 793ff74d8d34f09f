//! Requests that arrive slowly or are too large.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{sleep, timeout},
};

use crate::{
    cases,
    harness::{
        app::{App, EVENT_TIMEOUT},
        case::Case,
        client::{ALEX, MILK},
        database::TestDatabase,
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![SQLITE; a_request_sent_byte_by_byte_times_out];
    if cfg!(target_os = "linux") {
        cases.extend(cases![SQLITE; a_huge_body_is_refused_without_buffering_it]);
    }
    cases
}

async fn a_request_sent_byte_by_byte_times_out(db: &TestDatabase) {
    let app = db.serve(&["--demo", "--header-timeout", "2", "--body-timeout", "2"]).await;
    let send_slowly = async |start: &str| {
        exchange(&app, async |writer: &mut OwnedWriteHalf| {
            writer.write_all(start.as_bytes()).await?;
            loop {
                writer.write_all(b"x").await?;
                sleep(Duration::from_millis(100)).await;
            }
        })
        .await
    };
    let head = post("/api/v1/orders", "Content-Length: 100000");
    let heads =
        join_all((0..32).map(|_| send_slowly("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")));
    let bodies = join_all((0..32).map(|_| send_slowly(&head)));
    let others = async {
        for _ in 0..100 {
            app.client.get("/api/order_total/1").await.assert_status(200);
            app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
        }
    };
    let (heads, bodies, ()) = tokio::join!(heads, bodies, others);
    for response in heads {
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 408 "), "{response}");
    }
    for response in bodies {
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        assert!(response.contains("application/problem+json"), "{response}");
    }
}

async fn a_huge_body_is_refused_without_buffering_it(db: &TestDatabase) {
    const PART: usize = 64 * 1024;
    const PARTS: usize = 1024;
    let app = db.serve_demo().await;
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
    let idle = app.peak_memory();
    let part = " ".repeat(PART);
    let chunk = format!("{PART:x}\r\n{part}\r\n");
    let length = format!("Content-Length: {}", PART * PARTS);
    let bodies = [("Transfer-Encoding: chunked", &chunk, "0\r\n\r\n"), (&*length, &part, "")];
    for (header, part, end) in bodies {
        let head = &post("/api/add_new_order", &format!("Connection: close\r\n{header}"));
        let send = || {
            exchange(&app, async |writer: &mut OwnedWriteHalf| {
                writer.write_all(head.as_bytes()).await?;
                for _ in 0..PARTS {
                    writer.write_all(part.as_bytes()).await?;
                }
                writer.write_all(end.as_bytes()).await
            })
        };
        for response in join_all((0..4).map(|_| send())).await {
            assert!(response.starts_with("HTTP/1.1 413 "), "{header}: {response}");
            assert!(response.contains("application/problem+json"), "{header}: {response}");
        }
        app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
    }
    let grown = app.peak_memory() - idle;
    assert!(grown < 32 * 1024, "{grown} kB more for bodies of {PARTS} × {PART} bytes");
    println!("fault injection: 8 bodies of 64 MB: {grown} kB more memory");
}

/// Returns the head of a `POST` request with a JSON body and additional `headers`.
fn post(path: &str, headers: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n\r\n"
    )
}

/// Sends a request by `write` and returns everything received until the server closes the connection.
async fn exchange(
    app: &App,
    write: impl AsyncFnOnce(&mut OwnedWriteHalf) -> std::io::Result<()>,
) -> String {
    let (mut reader, mut writer) = TcpStream::connect(&app.address).await.unwrap().into_split();
    let writing = async {
        // The server may close the connection while the request is written; only the response counts.
        let _ = write(&mut writer).await;
        std::future::pending::<()>().await;
    };
    let response = async {
        tokio::select! { response = read_all(&mut reader) => response, () = writing => unreachable!() }
    };
    timeout(EVENT_TIMEOUT, response).await.expect("the server should close the connection")
}

async fn read_all(reader: &mut OwnedReadHalf) -> String {
    let (mut response, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = reader.read(&mut part).await {
        response.extend_from_slice(&part[..read]);
    }
    String::from_utf8(response).unwrap()
}
