//! Replicas of the service behind a proxy.

use futures_util::future::join_all;

use super::haproxy::{self, Haproxy};
use crate::{
    fault_injection::eventually,
    harness::{app::App, client::Client, database::MARKETSVC},
};

/// Addresses of the replicas.
pub const ADDRESSES: [&str; 3] = ["127.0.0.1:9091", "127.0.0.1:9092", "127.0.0.1:9093"];

/// Options of each replica. Its drain delay is longer than the proxy takes to notice that it is not ready.
const OPTIONS: [&str; 2] = ["--drain-delay", "2"];

/// Three replicas and their proxy. They stop when this is dropped.
pub struct Replicas {
    /// Client of the proxy.
    pub client: Client,
    urls: Vec<String>,
    apps: Vec<App>,
    pub proxy: Haproxy,
}

impl Replicas {
    /// Starts a replica for each URL on the demo data, all at the same time, and waits until the proxy knows them.
    pub async fn start(urls: Vec<String>) -> Self {
        Self::start_program(MARKETSVC, urls).await
    }

    /// Starts another program, such as an earlier release, like [`Self::start`].
    pub async fn start_program(program: &str, urls: Vec<String>) -> Self {
        let apps = urls.iter().zip(ADDRESSES).map(|(url, address)| {
            let options = [&OPTIONS[..], &["--demo"]].concat();
            async move { App::start_at(address, program, url, &options).await }
        });
        let apps = join_all(apps).await;
        let client = Client::new(&format!("http://{}", haproxy::ADDRESS));
        let replicas = Self { client, urls, apps, proxy: Haproxy::start() };
        for app in &replicas.apps {
            let ready = async || app.client.get("/readyz").await.status == 200;
            eventually("each replica is ready", ready).await;
        }
        let answers = async || {
            let request = replicas.client.request("GET", "/readyz").send();
            request.await.is_ok_and(|response| response.status() == 200)
        };
        eventually("the proxy forwards requests", answers).await;
        replicas
    }

    /// Returns a client of each replica, which bypasses the proxy.
    pub fn clients(&self) -> impl Iterator<Item = &Client> {
        self.apps.iter().map(|app| &app.client)
    }

    /// Stops a replica gracefully, and starts `program` in its place with additional options.
    pub async fn replace(&mut self, replica: usize, program: &str, options: &[&str]) {
        let app = &mut self.apps[replica];
        app.stop();
        assert_eq!(app.exit_code().await, Some(0), "{}", app.log().join("\n"));
        let options = [&OPTIONS[..], options].concat();
        *app = App::start_at(ADDRESSES[replica], program, &self.urls[replica], &options).await;
        let ready = async || app.client.get("/readyz").await.status == 200;
        eventually("the new replica is ready", ready).await;
    }

    /// Replaces each replica by this program with its URL, one after the other, and applies pending migrations.
    ///
    /// An earlier release may not be ready any more when it finds a schema that it does not know, while it could go on
    /// serving. So the proxy does not check it, and is told when a replica is about to stop.
    pub async fn upgrade(&mut self, urls: Vec<String>) {
        self.urls = urls;
        for replica in 0..self.apps.len() {
            self.proxy.set_checks(replica, false);
        }
        for replica in 0..self.apps.len() {
            self.proxy.drain(replica);
            self.replace(replica, MARKETSVC, &["--migrate"]).await;
            self.proxy.set_checks(replica, true);
            self.proxy.resume(replica);
        }
    }

    /// Replaces each replica by `program`, one after the other.
    pub async fn replace_all(&mut self, program: &str, options: &[&str]) {
        for replica in 0..self.apps.len() {
            self.replace(replica, program, options).await;
        }
    }

    /// Asserts that no replica logged an error, which would be a defect.
    pub fn assert_no_defects(&self) {
        let lines = self.apps.iter().flat_map(App::log);
        let errors: Vec<_> = lines.filter(|line| line.contains("ERROR")).collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
}
