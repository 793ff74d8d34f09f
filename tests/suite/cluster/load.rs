//! Clients that place orders through the proxy while a fault is injected.

use std::{cell::Cell, pin::pin, time::Duration};

use futures_util::future::{join_all, join4};
use tokio::time::sleep;

use super::{
    counter::Counter,
    outcomes::{Outcomes, Summary},
};
use crate::{
    fault_injection::ledger::Ledger,
    harness::client::{Client, TestResponse},
};

/// Number of clients that place orders; half of them with idempotency keys.
const CLIENTS: usize = 24;

/// Number of clients that change the same row.
const CHANGERS: usize = 6;

/// Number of clients that read the order that was acknowledged last.
const READERS: usize = 2;

/// All that clients were told, to be compared with what is stored.
pub struct Load {
    ledger: Ledger,
    counter: Counter,
}

impl Load {
    /// Prepares a load on the demo data.
    pub async fn prepare(client: &Client) -> Self {
        Self { ledger: Ledger::default(), counter: Counter::create(client).await }
    }

    /// Places orders while `fault` is injected, and until it is repaired.
    pub async fn run(&self, client: &Client, fault: impl AsyncFnOnce(&Outcomes)) -> Summary {
        let (outcomes, done) = (Outcomes::start(), Cell::new(false));
        let orders = (0..CLIENTS).map(|n| {
            let has_key = n.is_multiple_of(2);
            self.ledger.place_through_proxy(client, has_key, &done, |status| outcomes.count(status))
        });
        let changes = (0..CHANGERS).map(|_| self.counter.increment_until(client, &done));
        let reads = (0..READERS).map(|_| self.read_until(client, &done));
        let injected = pin!(async {
            fault(&outcomes).await;
            done.set(true);
        });
        join4(injected, join_all(orders), join_all(changes), join_all(reads)).await;
        outcomes.summary()
    }

    /// Reads the order that was acknowledged last, perhaps by another replica, until `done`. It must be there.
    async fn read_until(&self, client: &Client, done: &Cell<bool>) {
        while !done.get() {
            if let Some(id) = self.ledger.newest() {
                let read = client.request("GET", &format!("/api/v1/orders/{id}"));
                let read = TestResponse::try_of(read).await;
                assert!(!read.is_ok_and(|read| read.status == 404), "order {id} is not found");
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns the number of acknowledged changes of the row that all change.
    pub fn changes(&self) -> u32 {
        self.counter.acknowledged()
    }

    /// Compares all that is stored with what the clients were told.
    pub async fn verify(&self, client: &Client) {
        self.ledger.verify(client).await;
        self.counter.verify(client).await;
    }
}
