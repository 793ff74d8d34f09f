//! An HTTP client of the service, and responses with assertions.

use std::net::IpAddr;

use reqwest::{
    Method, RequestBuilder, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::{Value, json};

/// Ids of the demo data.
pub const ALEX: i64 = 1;
pub const BLAKE: i64 = 2;
pub const MILK: i64 = 1;
pub const KIT_KAT: i64 = 2;
pub const BREAD: i64 = 3;

#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    pub fn new(base: &str) -> Self {
        Self { base: base.to_owned(), http: reqwest::Client::new() }
    }

    /// Returns a client of the same server that connects from another loopback address. Linux only.
    pub fn at_address(&self, address: [u8; 4]) -> Self {
        let http = reqwest::Client::builder().local_address(IpAddr::from(address));
        Self { base: self.base.clone(), http: http.build().expect("a client") }
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().expect("a method");
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub async fn get(&self, path: &str) -> TestResponse {
        TestResponse::of(self.request("GET", path)).await
    }

    pub async fn get_json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        response.assert_status(200);
        response.json()
    }

    pub async fn post(&self, path: &str, body: &Value) -> TestResponse {
        TestResponse::of(self.request("POST", path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> TestResponse {
        TestResponse::of(self.request("PATCH", path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> TestResponse {
        TestResponse::of(self.request("DELETE", path)).await
    }

    /// Follows the `next` links of a list. Returns the rows of all pages and the number of pages.
    pub async fn walk(&self, path: &str) -> (Vec<Value>, usize) {
        let (mut rows, mut pages, mut next) = (Vec::new(), 0, path.to_owned());
        loop {
            let response = self.get(&next).await;
            response.assert_status(200);
            let page = response.json();
            rows.extend(page["data"].as_array().expect("data is an array").iter().cloned());
            pages += 1;
            assert!(pages < 1000, "{path} does not end");
            let Some(cursor) = page["next_cursor"].as_str() else { return (rows, pages) };
            let link = response.header("link");
            assert!(link.contains(cursor) && link.ends_with("; rel=\"next\""), "{link}");
            let (url, _) = link.trim_start_matches('<').split_once('>').expect("a link");
            url.clone_into(&mut next);
        }
    }

    /// Places an order through the tutorial's route. `items` holds pairs of item id and quantity.
    pub async fn place_order(&self, customer_id: i64, items: &[(i64, i64)]) -> TestResponse {
        let items: Vec<_> = items.iter().map(|(id, n)| json!({"id": id, "quantity": n})).collect();
        self.post("/api/add_new_order", &json!({"customer_id": customer_id, "items": items})).await
    }

    pub async fn orders_of(&self, customer_id: i64) -> Vec<Value> {
        let orders = self.get_json(&format!("/api/orders/{customer_id}")).await;
        orders.as_array().expect("orders are an array").clone()
    }
}

/// A response that has been read to its end.
#[derive(Debug)]
pub struct TestResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl TestResponse {
    /// Sends the request and reads the response to its end.
    pub async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.expect("the server should send a complete response")
    }

    /// Sends the request like [`TestResponse::of`]; returns an error if the connection fails.
    pub async fn try_of(request: RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Self { status, headers, body: response.text().await? })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("headers are ASCII"))
    }

    pub fn request_id(&self) -> String {
        self.header("x-request-id").to_owned()
    }

    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    /// Asserts a problem document according to RFC 9457 with the id of the request, and returns it.
    #[track_caller]
    pub fn assert_problem(&self, status: u16) -> Value {
        self.assert_status(status);
        assert_eq!(self.header(CONTENT_TYPE.as_str()), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{self:?}");
        assert_eq!(problem["type"], "about:blank", "{self:?}");
        assert_eq!(problem["title"], self.status.canonical_reason().unwrap(), "{self:?}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self:?}");
        assert_eq!(problem["request_id"], self.request_id(), "{self:?}");
        problem
    }

    /// Asserts a problem document whose errors have exactly these JSON pointers, in any order.
    #[track_caller]
    pub fn assert_field_errors(&self, status: u16, pointers: &[&str]) {
        let problem = self.assert_problem(status);
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let mut found: Vec<_> =
            errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        let mut expected = pointers.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{self:?}");
    }
}
