//! Connections that stay silent, that send slowly, or that do not end.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
    time::{sleep, timeout},
};

use super::eventually;
use crate::{
    cases,
    harness::{
        app::{App, EVENT_TIMEOUT},
        case::Case,
        client::{ALEX, Client, MILK, TestResponse},
        database::{MARKETSVC, TestDatabase, run, stderr},
    },
};

/// Upper bound for the answer to a new client while the server has as many connections as it may.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

pub fn cases() -> Vec<Case> {
    let mut cases = cases![SQLITE;
        every_head_of_a_connection_must_arrive_in_time,
        the_body_of_a_refused_request_cannot_go_on,
        what_the_http_parser_refuses_is_counted,
        silent_tls_handshakes_delay_no_other_client,
        excess_tls_handshakes_are_refused,
    ];
    if cfg!(target_os = "linux") {
        cases.extend(cases![SQLITE;
            idle_connections_beyond_the_descriptors_stop_no_client,
            probes_are_answered_when_every_connection_is_busy,
            the_limit_of_descriptors_is_raised_or_reported,
        ]);
    }
    cases
}

/// Words of a command that runs a program with `descriptors` as its soft and hard limit of open files.
fn with_descriptors(descriptors: &str) -> [&str; 2] {
    ["prlimit", descriptors]
}

async fn idle_connections_beyond_the_descriptors_stop_no_client(db: &TestDatabase) {
    const IDLE: usize = 1200;
    let wrapper = with_descriptors("--nofile=1024:1024");
    let app = App::start_under(&wrapper, &db.url, &["--demo"], &[]).await;
    for answered in [false, true] {
        let mut idle = Vec::new();
        for _ in 0..IDLE {
            let mut connection = TcpStream::connect(&app.address).await.unwrap();
            if answered {
                connection
                    .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    .await
                    .unwrap();
            }
            idle.push(connection);
        }
        let started = Instant::now();
        // While connections of the burst are still to be accepted they may take the place of a probe.
        let probed = async || {
            let probe = new_client(&app).request("GET", "/livez");
            TestResponse::try_of(probe).await.is_ok_and(|response| response.status == 200)
        };
        eventually("a probe is answered", probed).await;
        for _ in 0..10 {
            new_client(&app).get("/livez").await.assert_status(200);
        }
        // Connections that are still new make no room.
        let has_room = async || new_client(&app).get("/api/v1/items/1").await.status == 200;
        eventually("there is room for another client", has_room).await;
        for _ in 0..10 {
            new_client(&app).get("/readyz").await.assert_status(200);
            new_client(&app).place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
        }
        let took = started.elapsed();
        assert!(took < PROBE_TIMEOUT, "{took:?}");
        println!("fault injection: {IDLE} idle connections: 30 new clients served in {took:.1?}");
    }
    assert!(closed(&app, "too_many").await > 0);
    assert_eq!(closed(&app, "refused").await, 0);
    assert!(!app.log().iter().any(|line| line.contains("Too many open files")));
}

async fn probes_are_answered_when_every_connection_is_busy(db: &TestDatabase) {
    const MAX: usize = 20;
    let limit = MAX.to_string();
    let app = db.serve(&["--demo", "--max-http-connections", &limit]).await;
    let head = "POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\n\r\n{";
    let mut busy = Vec::new();
    let is_full = async || {
        let mut connection = TcpStream::connect(&app.address).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        busy.push(connection);
        busy.len() > MAX && new_client(&app).get("/api/v1/items/1").await.status == 503
    };
    eventually("the server has as many busy connections as it may", is_full).await;
    // Silent connections cannot take the places that are left for probes.
    let silent = join_all((0..64).map(|_| TcpStream::connect(&app.address))).await;
    // Each takes the place of an older one; a probe could lose its own to one that is still to be accepted.
    sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    for path in ["/livez", "/readyz", "/metrics", "/livez"] {
        let response = new_client(&app).get(path).await;
        response.assert_status(200);
        assert_eq!(response.header("connection"), "close");
    }
    let refused = new_client(&app).get("/api/v1/items/1").await;
    let problem = refused.assert_problem(503);
    assert_eq!(problem["detail"], "too many connections at the same time; try again");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(started.elapsed() < PROBE_TIMEOUT, "{:?}", started.elapsed());
    drop((busy, silent));
    let is_served = async || new_client(&app).get("/api/v1/items/1").await.status == 200;
    eventually("clients are served when there is room", is_served).await;
}

async fn the_limit_of_descriptors_is_raised_or_reported(db: &TestDatabase) {
    let limit_of = async |wrapper: &[&str], args: &[&str]| {
        let app = App::start_under(wrapper, &db.url, args, &[]).await;
        app.open_file_limit()
    };
    let args = ["--demo", "--max-http-connections", "2000"];
    let limit = limit_of(&with_descriptors("--nofile=256:4096"), &args).await;
    assert!((2000..4096).contains(&limit), "{limit}");
    let limit = limit_of(&with_descriptors("--nofile=256:1024"), &["--demo"]).await;
    assert_eq!(limit, 1024);
    let refused = ["--nofile=1024:1024", MARKETSVC, "serve", "--max-http-connections", "1000"];
    let output = run("prlimit", &db.url, &refused).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let message = stderr(&output);
    assert!(message.contains("limit of 1024 open files is too low"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

async fn every_head_of_a_connection_must_arrive_in_time(db: &TestDatabase) {
    let app = db.serve(&["--demo", "--header-timeout", "2"]).await;
    let others = async {
        for _ in 0..20 {
            app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
            sleep(Duration::from_millis(100)).await;
        }
    };
    let slow = join_all((0..32).map(|n| async move {
        let requests = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(n % 3);
        requests + "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
    }));
    let slow = slow.await.into_iter().map(|start| drip(&app, start, b"x"));
    let (ends, ()) = tokio::join!(join_all(slow), others);
    for (n, (response, took)) in ends.iter().enumerate() {
        assert_eq!(response.matches("HTTP/1.1 200 ").count(), n % 3, "{response}");
        if n % 3 == 0 {
            assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        }
        assert!((1900..10_000).contains(&took.as_millis()), "{took:?}");
    }
    assert!(closed(&app, "header_timeout").await > 0);
}

async fn the_body_of_a_refused_request_cannot_go_on(db: &TestDatabase) {
    let args = ["--demo", "--header-timeout", "2", "--max-body-bytes", "100", "--auth", "required"];
    let app = db.serve(&args).await;
    let too_long = format!("{:x}\r\n{}\r\n", 200, " ".repeat(200));
    let output = db.run_ok(&["api-key", "create", "--role", "admin", "--name", "test"]).await;
    let key = output.split_whitespace().find(|word| word.starts_with("mk_")).unwrap();
    let authorization = format!("Authorization: Bearer {key}\r\n");
    let mut requests = Vec::new();
    for (path, authorization, status) in [
        ("/api/v1/items", &*authorization, 413),
        ("/api/v1/items", "", 401),
        ("/no/such/path", &authorization, 404),
        ("/livez", "", 405),
    ] {
        for (length, start) in
            [("Transfer-Encoding: chunked", &*too_long), ("Content-Length: 100000", "")]
        {
            requests.push((
                status,
                format!(
                    "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                 {authorization}{length}\r\n\r\n{start}"
                ),
            ));
        }
    }
    let ends = requests.iter().map(|(_, request)| drip(&app, request.clone(), b"1\r\nx\r\n"));
    for ((status, request), (response, took)) in requests.iter().zip(join_all(ends).await) {
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{response}");
        assert!(took.as_secs() < 10, "{request}\n{took:?}");
    }
}

async fn what_the_http_parser_refuses_is_counted(db: &TestDatabase) {
    let app = db.serve(&["--demo"]).await;
    let too_large =
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: {}", "x".repeat(200_000));
    for (request, status) in [
        ("\x16\x03\x01 no request\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (&too_large, 431),
    ] {
        let (response, _) = drip(&app, request.to_owned(), b"").await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    }
    assert_eq!(metric(&app, r#"requests_refused_total{reason="malformed"}"#).await, 2);
    assert_eq!(metric(&app, r#"requests_refused_total{reason="head_too_large"}"#).await, 1);
}

async fn silent_tls_handshakes_delay_no_other_client(db: &TestDatabase) {
    const SILENT: usize = 600;
    let folder = tempfile::tempdir().unwrap();
    let app = serve_tls(db, &folder, &["--tls-handshake-timeout", "3"]).await;
    let mut silent = Vec::new();
    for n in 0..SILENT {
        let mut connection = TcpStream::connect(&app.address).await.unwrap();
        if n % 2 == 0 {
            connection.write_all(b"\x16\x03\x01").await.unwrap();
        }
        silent.push(connection);
    }
    let started = Instant::now();
    for _ in 0..5 {
        assert!(https_get(&app, &folder, "/livez").await.contains("alive"));
    }
    let took = started.elapsed();
    assert!(took < PROBE_TIMEOUT, "{took:?}");
    for mut connection in silent {
        let end = timeout(EVENT_TIMEOUT, connection.read(&mut [0; 100])).await;
        end.expect("the server should close the connection").ok();
    }
    let metrics = https_get(&app, &folder, "/metrics").await;
    let expected = format!("tls_handshakes_failed_total{{reason=\"timeout\"}} {SILENT}");
    assert!(metrics.contains(&expected), "{metrics}");
    println!("fault injection: {SILENT} silent handshakes: 5 new clients served in {took:.1?}");
}

async fn excess_tls_handshakes_are_refused(db: &TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let app = serve_tls(db, &folder, &["--tls-handshake-rate", "2"]).await;
    let garbage = join_all((0..20).map(|_| drip(&app, "no TLS record".to_owned(), b""))).await;
    assert!(garbage.iter().all(|(response, _)| !response.contains("HTTP")));
    sleep(Duration::from_millis(1500)).await;
    let metrics = https_get(&app, &folder, "/metrics").await;
    let failed = |reason| {
        let name = format!("tls_handshakes_failed_total{{reason=\"{reason}\"}} ");
        metrics.lines().find_map(|line| line.split_once(&name)?.1.parse::<u32>().ok()).unwrap()
    };
    assert!(failed("rate") > 0 && failed("error") > 0, "{metrics}");
    assert_eq!(failed("rate") + failed("error"), 20);
}

/// Starts a server with a certificate for `localhost` in `folder`.
async fn serve_tls(db: &TestDatabase, folder: &tempfile::TempDir, args: &[&str]) -> App {
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = [cert, key].map(|file| file.to_str().unwrap().to_owned());
    let tls = ["--demo", "--tls-cert", &files[0], "--tls-key", &files[1]];
    db.serve(&[&tls, args].concat()).await
}

/// Requests `path` through a new TLS connection and returns the response.
async fn https_get(app: &App, folder: &tempfile::TempDir, path: &str) -> String {
    let port = app.address.rsplit_once(':').unwrap().1;
    let certificate = folder.path().join("cert.pem");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--ipv4", "--max-time", "20", "--cacert"]);
    let output = curl.arg(certificate).arg(format!("https://localhost:{port}{path}")).output();
    let output = output.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns a client without open connections.
fn new_client(app: &App) -> Client {
    Client::new(&format!("http://{}", app.address))
}

async fn metric(app: &App, name: &str) -> u32 {
    let metrics = new_client(app).get("/metrics").await.body;
    let value = metrics.lines().find_map(|line| line.split_once(name)?.1.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{name} not in\n{metrics}"))
}

/// Returns the number of connections that the server has closed for `reason`.
async fn closed(app: &App, reason: &str) -> u32 {
    metric(app, &format!("connections_closed_total{{reason=\"{reason}\"}}")).await
}

/// Sends `start` and then `part` ten times a second, until the server closes the connection. Returns everything received
/// and the time taken.
async fn drip(app: &App, start: String, part: &[u8]) -> (String, Duration) {
    let started = Instant::now();
    let (mut reader, mut writer) = TcpStream::connect(&app.address).await.unwrap().into_split();
    let write = async {
        // The server may close the connection meanwhile; only the response counts.
        let mut written = writer.write_all(start.as_bytes()).await;
        while written.is_ok() {
            sleep(Duration::from_millis(100)).await;
            written = writer.write_all(part).await;
        }
        std::future::pending::<()>().await;
    };
    let read = async {
        let (mut response, mut bytes) = (Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = reader.read(&mut bytes).await {
            response.extend_from_slice(&bytes[..read]);
        }
        String::from_utf8(response).unwrap()
    };
    let response = async {
        tokio::select! { response = read => response, () = write => unreachable!() }
    };
    let response = timeout(EVENT_TIMEOUT, response).await;
    (response.expect("the server should close the connection"), started.elapsed())
}
