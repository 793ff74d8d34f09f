//! A cluster with replicas of the service and their load.

use std::time::Instant;

use super::{
    load::Load,
    outcomes::{Outcomes, Summary},
    replicas::{ADDRESSES, Replicas},
};
use crate::fault_injection::eventually;

/// Longest time without a success, in seconds, while a replica is replaced: less than 0.1 s, or 0.5 s where the machine
/// is busy with other work.
pub const RESTART: f64 = 1.0;

/// Longest time without a success, in seconds, while a server that all replicas use is silent: the deadline of a
/// statement is 10 s.
pub const SILENCE: f64 = 12.0;

/// Number of orders placed before and after each fault.
const ORDERS: usize = 200;

/// Contents of a node: each table with a checksum of its rows.
pub type Contents = Vec<(String, String)>;

/// A database of several servers.
pub trait Cluster {
    /// Name of the kind of cluster.
    const NAME: &str;

    /// Returns the URL of the database, with the servers in the order in which `replica` is to try them.
    fn url(&self, replica: usize) -> String;

    /// Returns the contents of each server, after it has all that was committed before.
    async fn contents(&self) -> Vec<Contents>;
}

/// A cluster, three replicas behind a proxy, and what their clients were told.
pub struct Site<C> {
    pub cluster: C,
    pub replicas: Replicas,
    pub load: Load,
}

impl<C: Cluster> Site<C> {
    /// Starts the replicas, all at the same time, on the demo data.
    pub async fn start(cluster: C) -> Self {
        let urls = (0..ADDRESSES.len()).map(|replica| cluster.url(replica)).collect();
        let replicas = Replicas::start(urls).await;
        let load = Load::prepare(&replicas.client).await;
        Self { cluster, replicas, load }
    }

    /// Injects a fault of the cluster under load, compares all that is stored afterwards, and prints the counts.
    pub async fn inject(&mut self, fault: &str, inject: impl AsyncFnOnce(&mut C)) -> Summary {
        let Self { cluster, replicas, load } = self;
        let summary = load
            .run(&replicas.client, async |outcomes| {
                more_orders(outcomes).await;
                inject(cluster).await;
                more_orders(outcomes).await;
            })
            .await;
        self.verify_and_print(fault, summary).await
    }

    /// Changes the replicas under load like [`Self::inject`].
    pub async fn change(&mut self, change: &str, make: impl AsyncFnOnce(&mut Replicas)) -> Summary {
        let Self { replicas, load, .. } = self;
        let client = replicas.client.clone();
        let summary = load
            .run(&client, async |outcomes| {
                more_orders(outcomes).await;
                make(replicas).await;
                more_orders(outcomes).await;
            })
            .await;
        self.verify_and_print(change, summary).await
    }

    async fn verify_and_print(&self, trial: &str, summary: Summary) -> Summary {
        let before = Instant::now();
        self.verify().await;
        println!(
            "fault injection: {}, {trial}: {summary}; so far {} changes of one row; 0 lost, 0 duplicate, \
             0 incomplete, nodes agree (compared in {:.1?})",
            C::NAME,
            self.load.changes(),
            before.elapsed(),
        );
        summary
    }

    /// Asserts that every node has the same rows, which are those that the clients were told.
    async fn verify(&self) {
        self.replicas.assert_no_defects();
        let contents = self.cluster.contents().await;
        for node in &contents[1..] {
            assert_eq!(node, &contents[0]);
        }
        for client in self.replicas.clients() {
            self.load.verify(client).await;
        }
    }
}

/// Waits until more orders are placed.
async fn more_orders(outcomes: &Outcomes) {
    let before = outcomes.successes();
    eventually("orders are placed", async || outcomes.successes() >= before + ORDERS).await;
}
