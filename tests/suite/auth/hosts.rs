//! Names by which clients may address a server without authentication.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{create_api_key, serve};
use crate::{
    cases,
    harness::{app::App, case::Case, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![SQLITE;
        without_authentication_only_loopback_names_are_served,
        further_host_names_can_be_allowed,
        with_authentication_every_host_name_is_served,
    ]
}

/// Sends a request with these lines and returns the response.
async fn exchange(app: &App, lines: &[&str]) -> String {
    let mut stream = TcpStream::connect(&app.address).await.unwrap();
    let request = format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

async fn assert_exchange(app: &App, lines: &[&str], status: u16) {
    let response = exchange(app, lines).await;
    let got = response.split_whitespace().nth(1).unwrap_or_default();
    assert_eq!(got, status.to_string(), "{lines:?}: {response}");
    // Some of the requests with 400 are refused by the HTTP parser.
    if status != 400 {
        assert_eq!(status == 421, response.contains("application/problem+json"), "{response}");
    }
}

async fn without_authentication_only_loopback_names_are_served(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for path in ["/", "/api/v1/items", "/livez", "/metrics", "/docs/", "/nothing"] {
        let line = format!("GET {path} HTTP/1.1");
        for host in ["evil.example", "localhost.evil.example", "169.254.169.254", "x"] {
            assert_exchange(&app, &[&line, &format!("Host: {host}:80")], 421).await;
        }
    }
    let delete = "DELETE /api/v1/items/4 HTTP/1.1";
    assert_exchange(&app, &[delete, "Host: evil.example"], 421).await;
    assert_eq!(db.count("item").await, 4);
    for host in ["localhost", "shop.localhost:9090", "127.0.0.1", "127.1.2.3:1", "[::1]:9090"] {
        assert_exchange(&app, &["GET / HTTP/1.1", &format!("Host: {host}")], 200).await;
    }
    for (lines, status) in [
        (&["GET / HTTP/1.1"][..], 400),
        (&["GET / HTTP/1.0"], 400),
        (&["GET / HTTP/1.1", "Host: localhost", "Host: evil.example"], 400),
        (&["GET / HTTP/1.1", "Host: localhost", "Host: localhost"], 400),
        (&["GET / HTTP/1.1", "Host: evil.example@localhost"], 400),
        (&["GET http://evil.example/ HTTP/1.1", "Host: localhost"], 421),
        (&["GET http://localhost/ HTTP/1.1", "Host: evil.example"], 421),
        (&["GET http://localhost:9090/ HTTP/1.1", "Host: localhost:9090"], 200),
    ] {
        assert_exchange(&app, lines, status).await;
    }
}

async fn further_host_names_can_be_allowed(db: &TestDatabase) {
    let by_flag = db
        .serve(&["--demo", "--allowed-host", "shop.example", "--allowed-host", "192.0.2.7"])
        .await;
    let variable = [("MARKETSVC_ALLOWED_HOST", "shop.example,192.0.2.7")];
    let by_variable = App::start_with(&db.url, &[], &variable).await;
    for app in [&by_flag, &by_variable] {
        for (host, status) in [
            ("shop.example", 200),
            ("Shop.Example:8080", 200),
            ("192.0.2.7:9090", 200),
            ("localhost", 200),
            ("www.shop.example", 421),
            ("192.0.2.8", 421),
        ] {
            assert_exchange(app, &["GET / HTTP/1.1", &format!("Host: {host}")], status).await;
        }
    }
    let output = db.run(&["serve", "--allowed-host", "shop.example:80"]).await;
    assert_eq!(output.status.code(), Some(2));
}

async fn with_authentication_every_host_name_is_served(db: &TestDatabase) {
    let app = serve(db).await;
    let key = format!("Authorization: Bearer {}", create_api_key(db, "reader").await);
    for host in ["evil.example", "localhost"] {
        let host = format!("Host: {host}");
        assert_exchange(&app, &["GET /api/v1/items HTTP/1.1", &host, &key], 200).await;
        assert_exchange(&app, &["GET /livez HTTP/1.1", &host], 200).await;
    }
}
