//! A client of the service, whose answers know what to expect.

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

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().expect("a method");
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request("GET", path)).await
    }

    pub async fn get_json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        answer.assert_status(200);
        answer.json()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request("POST", path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request("PATCH", path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request("DELETE", path)).await
    }

    /// The `data` of all pages of a list, and how many pages there were.
    pub async fn walk(&self, path: &str) -> (Vec<Value>, usize) {
        let (mut rows, mut pages, mut next) = (Vec::new(), 0, path.to_owned());
        loop {
            let answer = self.get(&next).await;
            answer.assert_status(200);
            let page = answer.json();
            rows.extend(page["data"].as_array().expect("data is an array").iter().cloned());
            pages += 1;
            assert!(pages < 1000, "{path} does not end");
            let Some(cursor) = page["next_cursor"].as_str() else { return (rows, pages) };
            let link = answer.header("link");
            assert!(link.contains(cursor) && link.ends_with("; rel=\"next\""), "{link}");
            let (url, _) = link.trim_start_matches('<').split_once('>').expect("a link");
            url.clone_into(&mut next);
        }
    }

    /// An order of so many of each item.
    pub async fn place_order(&self, customer_id: i64, items: &[(i64, i64)]) -> Answer {
        let items: Vec<_> = items.iter().map(|(id, n)| json!({"id": id, "quantity": n})).collect();
        self.post("/api/add_new_order", &json!({"customer_id": customer_id, "items": items})).await
    }

    pub async fn orders_of(&self, customer_id: i64) -> Vec<Value> {
        let orders = self.get_json(&format!("/api/orders/{customer_id}")).await;
        orders.as_array().expect("orders are an array").clone()
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// Sends the request and reads the answer to its end.
    pub async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.expect("the server should answer, and to the end")
    }

    /// [`Answer::of`], unless the server goes away meanwhile.
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

    /// A problem as RFC 9457 wants it, with the id of the request.
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

    /// A problem at exactly these places of the input.
    #[track_caller]
    pub fn assert_faults(&self, status: u16, pointers: &[&str]) {
        let problem = self.assert_problem(status);
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let found: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(found, pointers, "{self:?}");
    }
}
