//! Spellings of paths: authentication decides about the route that is served.

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
        no_spelling_of_a_path_is_served_without_its_api_key,
        an_encoded_path_needs_the_role_of_its_route,
    ]
}

/// Sends the path as it is, which an HTTP client would normalise, and returns the status.
async fn status(app: &App, method: &str, path: &str, key: &str) -> u16 {
    let mut stream = TcpStream::connect(&app.address).await.unwrap();
    let authorization =
        if key.is_empty() { String::new() } else { format!("Authorization: Bearer {key}\r\n") };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Type: application/json\r\n\
         Content-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    let response = String::from_utf8_lossy(&response).into_owned();
    let status = response.split_whitespace().nth(1).unwrap_or_default();
    status.parse().unwrap_or_else(|_| panic!("{method} {path}: {response}"))
}

/// Returns other spellings of a path.
fn spellings(path: &str) -> Vec<String> {
    let encoded = path.replacen('i', "%69", 1).replacen('o', "%6F", 1);
    vec![
        path.to_owned(),
        encoded,
        format!("/{path}"),
        format!("{path}/"),
        format!("/.{path}"),
        format!("/docs/..{path}"),
        format!("/docs/%2e%2e{path}"),
        format!("/docs/..%2f{}", &path[1..]),
        format!("/livez/..{path}"),
        format!("/livez{path}"),
        format!("/livez%2f..{path}"),
        format!("/metrics%00{path}"),
        format!("{path}#/docs/"),
        format!("{path};/docs/"),
        format!("{path}?/docs/"),
        format!("{path}%3f/docs/"),
        format!("http://localhost{path}"),
        format!("http://localhost/docs/..{path}"),
    ]
}

async fn no_spelling_of_a_path_is_served_without_its_api_key(db: &TestDatabase) {
    let app = serve(db).await;
    for path in ["/api/v1/items", "/api/v1/orders/1", "/api/order_total/1", "/api/customers"] {
        for path in spellings(path) {
            let got = status(&app, "GET", &path, "").await;
            // The pages of the documentation are public under any name: they are 404 or a page.
            let is_documentation = path.contains("/docs/..") || path.contains("/docs/%2e");
            let expected = if is_documentation { &[401, 404][..] } else { &[401, 400] };
            assert!(expected.contains(&got), "GET {path} is {got}");
        }
    }
    for path in spellings("/api/v1/orders") {
        let got = status(&app, "POST", &path, "").await;
        assert!([400, 401, 404, 405].contains(&got), "POST {path} is {got}");
    }
    for path in spellings("/livez") {
        let got = status(&app, "GET", &path, "").await;
        assert!([200, 400, 401, 404].contains(&got), "GET {path} is {got}");
    }
    // The router serves this as /livez, and so does authentication.
    assert_eq!(status(&app, "GET", "/%6civez", "").await, 200);
}

async fn an_encoded_path_needs_the_role_of_its_route(db: &TestDatabase) {
    let app = serve(db).await;
    let (reader, writer) = (create_api_key(db, "reader").await, create_api_key(db, "writer").await);
    // A body without fields is refused by the route itself.
    for path in ["/api/v1/orders", "/api/v1/%6frders", "/%61pi/v1/orders"] {
        assert_eq!(status(&app, "POST", path, &reader).await, 403, "{path}");
        assert_eq!(status(&app, "POST", path, &writer).await, 422, "{path}");
    }
    for path in ["/api/v1/items", "/api/v1/%69tems", "/api/v1/orders/", "//api/v1/orders"] {
        assert_eq!(status(&app, "POST", path, &writer).await, 403, "{path}");
    }
}
