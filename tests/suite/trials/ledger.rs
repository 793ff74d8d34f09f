//! What clients asked for and what they were told, to be held against what is stored.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::client::{ALEX, Answer, BREAD, Client, KIT_KAT, MILK};

/// Orders of the demo data.
const BEFORE: i64 = 3;

/// The orders of a trial. Each is told from all others by how much milk it asks for: its number.
#[derive(Default)]
pub struct Ledger {
    entries: RefCell<Vec<Entry>>,
    refusals: Cell<usize>,
    /// Orders that nobody knew about until they were asked for once more.
    made_up_for: Cell<usize>,
}

#[derive(Clone, Default)]
struct Entry {
    /// With a key the client asks until it is told.
    has_key: bool,
    acknowledged: Option<Value>,
}

impl Ledger {
    /// How many orders were asked for.
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// How many orders were answered with 201.
    pub fn acknowledged(&self) -> usize {
        self.entries.borrow().iter().filter(|entry| entry.acknowledged.is_some()).count()
    }

    /// How many orders have a key.
    pub fn keys(&self) -> usize {
        self.entries.borrow().iter().filter(|entry| entry.has_key).count()
    }

    /// How many answers were 503.
    pub fn refusals(&self) -> usize {
        self.refusals.get()
    }

    /// Places one order after the other until the server goes away.
    pub async fn place_until_it_is_gone(&self, client: &Client) {
        loop {
            let n = self.begin();
            let Ok(answer) = self.send(client, n).await else { return };
            self.acknowledge(n, &answer);
        }
    }

    /// Places one order after the other, whatever becomes of the database, until all is `done`.
    pub async fn place_until(&self, client: &Client, done: &Cell<bool>) {
        while !done.get() {
            let n = self.begin();
            loop {
                let answer = self.send(client, n).await.expect("the server is there all the time");
                if answer.status != 503 {
                    self.acknowledge(n, &answer);
                    break;
                }
                answer.assert_problem(503);
                assert_eq!(answer.header("retry-after"), "1");
                self.refusals.set(self.refusals.get() + 1);
                if !self.entries.borrow()[n].has_key {
                    break; // It may have been placed or not.
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Sends every order with a key since the first `from` once more: what was acknowledged is repeated,
    /// the others are placed now if they were not.
    pub async fn send_again(&self, client: &Client, from: usize) {
        for n in from..self.len() {
            let Entry { has_key, acknowledged } = self.entries.borrow()[n].clone();
            if !has_key {
                continue;
            }
            let answer = self.send(client, n).await.expect("the server is there again");
            if let Some(before) = acknowledged {
                assert_eq!(answer.assert_status(201).json(), before, "order {n}");
                assert_eq!(answer.header("idempotency-replayed"), "true", "order {n}");
            } else {
                self.made_up_for.set(self.made_up_for.get() + 1);
            }
            self.acknowledge(n, &answer);
        }
    }

    /// Holds all orders that are stored against what was asked for and acknowledged.
    pub async fn settle(&self, client: &Client) {
        let (orders, _) = client.walk("/api/v1/orders?limit=100").await;
        let mut stored = HashMap::new();
        for order in orders.iter().filter(|order| order["id"].as_i64() > Some(BEFORE)) {
            let milk = order["items"][0]["quantity"].as_u64();
            let n = milk.and_then(|n| usize::try_from(n - 1).ok()).expect("an order without lines");
            assert!(is_whole(order, n), "halved: {order}");
            assert_eq!(stored.insert(n, order), None, "doubled: {order}");
        }
        for (n, entry) in self.entries.borrow().iter().enumerate() {
            let order = stored.remove(&n);
            match &entry.acknowledged {
                Some(answer) => assert_eq!(order, Some(answer), "lost"),
                None => assert!(!entry.has_key, "order {n} was asked for and never answered"),
            }
        }
        assert!(stored.is_empty(), "nobody asked for {stored:?}");
    }

    /// What a trial tells once it has come to its end.
    pub fn report(&self, trial: &str) {
        let (all, keys, made_up_for) = (self.len(), self.keys(), self.made_up_for.get());
        let acknowledged = self.acknowledged() - made_up_for;
        println!(
            "trial: {trial}: {all} orders, {keys} with a key; {acknowledged} acknowledged, \
             {made_up_for} more when asked again; {} answers 503; 0 lost, 0 doubled, 0 halved",
            self.refusals()
        );
    }

    /// The next order; two of three have a key.
    fn begin(&self) -> usize {
        let mut entries = self.entries.borrow_mut();
        let n = entries.len();
        entries.push(Entry { has_key: !n.is_multiple_of(3), acknowledged: None });
        n
    }

    async fn send(&self, client: &Client, n: usize) -> reqwest::Result<Answer> {
        let mut request = client.request("POST", "/api/v1/orders").json(&order(n));
        if self.entries.borrow()[n].has_key {
            request = request.header("idempotency-key", format!("trial-{n}"));
        }
        Answer::try_of(request).await
    }

    #[track_caller]
    fn acknowledge(&self, n: usize, answer: &Answer) {
        answer.assert_status(201);
        self.entries.borrow_mut()[n].acknowledged = Some(answer.json());
    }
}

fn order(n: usize) -> Value {
    let line = |id: i64, quantity: usize| json!({"id": id, "quantity": quantity});
    json!({"customer_id": ALEX, "items": [line(MILK, n + 1), line(KIT_KAT, 2), line(BREAD, 3)]})
}

/// All that [`order`] asks for, at the prices of the demo data.
fn is_whole(order: &Value, n: usize) -> bool {
    let lines = order["items"].as_array().map_or(&[][..], Vec::as_slice);
    let ordered = lines.iter().map(|line| (line["item_id"].as_i64(), line["quantity"].as_u64()));
    let asked = [(MILK, n as u64 + 1), (KIT_KAT, 2), (BREAD, 3)];
    let total = 5.0 * f64::from(u32::try_from(n + 1).unwrap()) + 33.5;
    ordered.eq(asked.map(|(id, quantity)| (Some(id), Some(quantity))))
        && order["total"].as_f64() == Some(total)
}
