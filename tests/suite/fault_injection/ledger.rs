//! Record of the orders sent and acknowledged, to be compared with the stored orders.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::client::{ALEX, BREAD, Client, KIT_KAT, MILK, TestResponse};

/// Number of orders in the demo data.
const DEMO_ORDERS: i64 = 3;

/// The orders sent by a test. The quantity of milk in an order is its number plus one and identifies it.
#[derive(Default)]
pub struct Ledger {
    entries: RefCell<Vec<Entry>>,
    refusals: Cell<usize>,
    /// Orders acknowledged only after they were sent again.
    acknowledged_late: Cell<usize>,
    /// Id of the order that was acknowledged last.
    newest: Cell<Option<i64>>,
}

#[derive(Clone, Default)]
struct Entry {
    /// An order with an idempotency key is sent again until it is acknowledged.
    has_key: bool,
    acknowledged: Option<Value>,
}

impl Ledger {
    /// Returns the number of orders sent.
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Returns the number of orders answered with 201.
    pub fn acknowledged(&self) -> usize {
        self.entries.borrow().iter().filter(|entry| entry.acknowledged.is_some()).count()
    }

    /// Returns the number of orders with an idempotency key.
    pub fn keys(&self) -> usize {
        self.entries.borrow().iter().filter(|entry| entry.has_key).count()
    }

    /// Returns the number of responses with status 503.
    pub fn refusals(&self) -> usize {
        self.refusals.get()
    }

    /// Returns the id of the order that was acknowledged last.
    pub fn newest(&self) -> Option<i64> {
        self.newest.get()
    }

    /// Places orders one after the other until the connection fails.
    pub async fn place_until_disconnected(&self, client: &Client) {
        loop {
            let n = self.begin(self.next_has_key());
            let Ok(response) = self.send(client, n).await else { return };
            self.acknowledge(n, &response);
        }
    }

    /// Places orders one after the other until `done`. Refusals with 503 are counted.
    pub async fn place_until(&self, client: &Client, done: &Cell<bool>) {
        while !done.get() {
            let n = self.begin(self.next_has_key());
            loop {
                let response =
                    self.send(client, n).await.expect("the server should run all the time");
                if response.status != 503 {
                    self.acknowledge(n, &response);
                    break;
                }
                response.assert_problem(503);
                assert_eq!(response.header("retry-after"), "1");
                self.refusals.set(self.refusals.get() + 1);
                if !self.entries.borrow()[n].has_key {
                    break; // The outcome is unknown: placed or not.
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Places orders one after the other through a proxy until `done`, all of them with a key or none. Reports the
    /// status of each response, or `None` if the connection failed.
    pub async fn place_through_proxy(
        &self,
        client: &Client,
        has_key: bool,
        done: &Cell<bool>,
        report: impl Fn(Option<u16>),
    ) {
        while !done.get() {
            let n = self.begin(has_key);
            loop {
                let response = self.send(client, n).await.ok();
                report(response.as_ref().map(|response| response.status.as_u16()));
                if let Some(response) = response.filter(|response| response.status == 201) {
                    self.acknowledge(n, &response);
                    break;
                }
                sleep(Duration::from_millis(50)).await;
                if !has_key {
                    break; // The outcome is unknown: placed or not.
                }
            }
        }
    }

    /// Sends all orders with a key from number `from` on again: acknowledged orders must be replayed, the
    /// others are placed unless they were before.
    pub async fn send_again(&self, client: &Client, from: usize) {
        for n in from..self.len() {
            let Entry { has_key, acknowledged } = self.entries.borrow()[n].clone();
            if !has_key {
                continue;
            }
            let response = self.send(client, n).await.expect("the server should run again");
            if let Some(before) = acknowledged {
                assert_eq!(response.assert_status(201).json(), before, "order {n}");
                assert_eq!(response.header("idempotency-replayed"), "true", "order {n}");
            } else {
                self.acknowledged_late.set(self.acknowledged_late.get() + 1);
            }
            self.acknowledge(n, &response);
        }
    }

    /// Compares all stored orders with the orders sent and acknowledged.
    pub async fn verify(&self, client: &Client) {
        let (orders, _) = client.walk("/api/v1/orders?limit=100").await;
        let mut stored = HashMap::new();
        for order in orders.iter().filter(|order| order["id"].as_i64() > Some(DEMO_ORDERS)) {
            let milk = order["items"][0]["quantity"].as_u64();
            let n = milk.and_then(|n| usize::try_from(n - 1).ok()).expect("each order has lines");
            assert!(is_whole(order, n), "incomplete: {order}");
            assert_eq!(stored.insert(n, order), None, "duplicate: {order}");
        }
        for (n, entry) in self.entries.borrow().iter().enumerate() {
            let order = stored.remove(&n);
            match &entry.acknowledged {
                Some(response) => assert_eq!(order, Some(response), "lost"),
                None => assert!(!entry.has_key, "order {n} was never acknowledged"),
            }
        }
        assert!(stored.is_empty(), "stored but never sent: {stored:?}");
    }

    /// Prints the counts of a finished test.
    pub fn report(&self, test: &str) {
        let (all, keys, late) = (self.len(), self.keys(), self.acknowledged_late.get());
        let acknowledged = self.acknowledged() - late;
        println!(
            "fault injection: {test}: {all} orders, {keys} with a key; {acknowledged} acknowledged, \
             {late} more when sent again; {} refused with 503; 0 lost, 0 duplicate, 0 incomplete",
            self.refusals()
        );
    }

    /// Returns whether the next order has an idempotency key, as two of three have.
    fn next_has_key(&self) -> bool {
        !self.len().is_multiple_of(3)
    }

    /// Adds the next order.
    fn begin(&self, has_key: bool) -> usize {
        let mut entries = self.entries.borrow_mut();
        let n = entries.len();
        entries.push(Entry { has_key, acknowledged: None });
        n
    }

    async fn send(&self, client: &Client, n: usize) -> reqwest::Result<TestResponse> {
        let mut request = client.request("POST", "/api/v1/orders").json(&order(n));
        if self.entries.borrow()[n].has_key {
            request = request.header("idempotency-key", format!("order-{n}"));
        }
        TestResponse::try_of(request).await
    }

    #[track_caller]
    fn acknowledge(&self, n: usize, response: &TestResponse) {
        let order = response.assert_status(201).json();
        self.newest.set(order["id"].as_i64());
        self.entries.borrow_mut()[n].acknowledged = Some(order);
    }
}

fn order(n: usize) -> Value {
    let line = |id: i64, quantity: usize| json!({"id": id, "quantity": quantity});
    json!({"customer_id": ALEX, "items": [line(MILK, n + 1), line(KIT_KAT, 2), line(BREAD, 3)]})
}

/// Returns true if the stored order equals [`order`] at the prices of the demo data.
fn is_whole(order: &Value, n: usize) -> bool {
    let lines = order["items"].as_array().map_or(&[][..], Vec::as_slice);
    let ordered = lines.iter().map(|line| (line["item_id"].as_i64(), line["quantity"].as_u64()));
    let expected = [(MILK, n as u64 + 1), (KIT_KAT, 2), (BREAD, 3)];
    let total = 5.0 * f64::from(u32::try_from(n + 1).unwrap()) + 33.5;
    ordered.eq(expected.map(|(id, quantity)| (Some(id), Some(quantity))))
        && order["total"].as_f64() == Some(total)
}
