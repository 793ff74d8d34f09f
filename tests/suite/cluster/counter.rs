//! A row that clients of all replicas change at the same time, each change on the condition that no other came before.

use std::cell::Cell;

use serde_json::json;

use crate::harness::client::{Client, TestResponse};

/// An item whose price counts the changes that were made.
pub struct Counter {
    path: String,
    acknowledged: Cell<u32>,
    /// Changes whose outcome the clients were not told.
    unknown: Cell<u32>,
}

impl Counter {
    /// Creates the item.
    pub async fn create(client: &Client) -> Self {
        let item = json!({"name": "Counter", "price": 0, "description": "counts its changes"});
        let created = client.post("/api/v1/items", &item).await;
        created.assert_status(201);
        let path = format!("/api/v1/items/{}", created.json()["id"]);
        Self { path, acknowledged: Cell::default(), unknown: Cell::default() }
    }

    /// Increments the counter until `done`. A change of an outdated version must be refused, and is tried again.
    pub async fn increment_until(&self, client: &Client, done: &Cell<bool>) {
        while !done.get() {
            let Ok(read) = TestResponse::try_of(client.request("GET", &self.path)).await else {
                continue;
            };
            if read.status != 200 {
                // Another node may not have the item yet.
                continue;
            }
            let price = read.json()["price"].as_f64().expect("a price");
            let change =
                client.request("PATCH", &self.path).header("if-match", read.header("etag"));
            match TestResponse::try_of(change.json(&json!({"price": price + 1.0}))).await {
                Ok(changed) if changed.status == 200 => {
                    self.acknowledged.set(self.acknowledged.get() + 1);
                }
                Ok(refused) if refused.status == 412 => {}
                _ => self.unknown.set(self.unknown.get() + 1),
            }
        }
    }

    /// Returns the number of acknowledged changes.
    pub fn acknowledged(&self) -> u32 {
        self.acknowledged.get()
    }

    /// Asserts that each acknowledged change is in the item, once.
    pub async fn verify(&self, client: &Client) {
        let price = client.get_json(&self.path).await["price"].as_f64().expect("a price");
        let acknowledged = f64::from(self.acknowledged.get());
        let all = acknowledged + f64::from(self.unknown.get());
        assert!((acknowledged..=all).contains(&price), "{price}, not {acknowledged} to {all}");
    }
}
