//! Faults of a Galera cluster under load.

mod nodes;

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::{
    ClusterCase, Form, cluster_cases,
    load::Load,
    network::Link,
    replicas::{ADDRESSES, Replicas},
    site::{Cluster, RESTART, SILENCE, Site},
};
use nodes::{Galera, NODES};

use crate::harness::{
    app::App,
    database::{MARKETSVC, run, stderr},
};

pub fn cases() -> Vec<ClusterCase> {
    cluster_cases![nodes::obstacle;
        Short: a_node_is_killed, a_node_is_cut_from_the_others, replicas_are_restarted, migrators_start_at_once;
        Long: a_node_is_isolated, a_node_is_paused, nodes_are_restarted, replicas_are_upgraded;
    ]
}

async fn a_node_is_killed(form: Form) {
    let mut site = Site::start(Galera::start().await).await;
    for node in 0..form.times(1, NODES) {
        let summary = site
            .inject("a node killed and started again", async |cluster| {
                cluster.kill(node);
                sleep(Duration::from_secs(5)).await;
                cluster.start_again(node).await;
            })
            .await;
        summary.assert_within(form.limit(4.0), &[503]);
    }
}

async fn a_node_is_cut_from_the_others(form: Form) {
    let mut site = Site::start(Galera::start().await).await;
    for node in 0..form.times(1, NODES) {
        let summary = site
            .inject("a node cut from the others", async |cluster| {
                cluster.cut(node, &[Link::Cluster]);
                sleep(Duration::from_secs(8)).await;
                cluster.mend(node, &[Link::Cluster]).await;
            })
            .await;
        summary.assert_within(form.limit(6.0), &[503]);
    }
}

async fn a_node_is_isolated(form: Form) {
    let mut site = Site::start(Galera::start().await).await;
    for node in 0..NODES {
        let summary = site
            .inject("a node without any network", async |cluster| {
                cluster.cut(node, &[Link::Cluster, Link::Clients]);
                sleep(Duration::from_secs(15)).await;
                cluster.mend(node, &[Link::Cluster, Link::Clients]).await;
            })
            .await;
        summary.assert_within(form.limit(SILENCE), &[503]);
    }
}

async fn a_node_is_paused(form: Form) {
    let mut site = Site::start(Galera::start().await).await;
    for node in 0..NODES {
        let summary = site
            .inject("a node paused and continued", async |cluster| {
                cluster.signal(node, "STOP");
                sleep(Duration::from_secs(15)).await;
                cluster.signal(node, "CONT");
                cluster.wait_until_complete().await;
            })
            .await;
        summary.assert_within(form.limit(SILENCE), &[503]);
    }
}

async fn nodes_are_restarted(form: Form) {
    let mut site = Site::start(Galera::start().await).await;
    let summary = site
        .inject("nodes restarted one after another", async |cluster| {
            for node in 0..NODES {
                cluster.signal(node, "TERM");
                cluster.start_again(node).await;
            }
        })
        .await;
    summary.assert_within(form.limit(1.5), &[503]);
}

async fn replicas_are_restarted(form: Form) {
    let mut site = Site::start(Galera::start().await).await;
    let summary = site
        .change("replicas restarted one after another", async |replicas| {
            for _ in 0..form.times(1, 3) {
                replicas.replace_all(MARKETSVC, &[]).await;
            }
        })
        .await;
    summary.assert_within(form.limit(RESTART), &[]);
}

/// The earlier release may not know lists of hosts, and its migration lock may belong to one node.
async fn replicas_are_upgraded(form: Form) {
    let previous = std::env::var("TEST_PREVIOUS_RELEASE");
    let previous = previous.expect("TEST_PREVIOUS_RELEASE is the program of the previous release");
    let cluster = Galera::start().await;
    let urls: Vec<_> = (0..NODES).map(|node| cluster.url_of_node(node)).collect();
    let migration = run(&previous, &urls[0], &["migrate", "up"]).await;
    assert!(migration.status.success(), "{}", stderr(&migration));
    let demo = run(&previous, &urls[0], &["seed", "demo"]).await;
    assert!(demo.status.success(), "{}", stderr(&demo));
    let replicas = Replicas::start_program(&previous, urls).await;
    let load = Load::prepare(&replicas.client).await;
    let new_urls = (0..NODES).map(|replica| cluster.url(replica)).collect();
    let mut site = Site { cluster, replicas, load };
    let summary = site
        .change("replicas upgraded one after another", async |replicas| {
            replicas.upgrade(new_urls).await;
        })
        .await;
    summary.assert_within(form.limit(RESTART), &[]);
}

async fn migrators_start_at_once(form: Form) {
    let cluster = Galera::start().await;
    let rounds = form.times(2, 12);
    for round in 0..rounds {
        cluster.clear().await;
        let urls: Vec<_> = (0..NODES).map(|node| cluster.url_of_node(node)).collect();
        let migrations = urls.iter().map(|url| run(MARKETSVC, url, &["migrate", "up"]));
        for migration in join_all(migrations).await {
            assert!(migration.status.success(), "round {round}: {}", stderr(&migration));
        }
        let status = run(MARKETSVC, &urls[0], &["migrate", "status"]).await;
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        assert!(status.lines().all(|line| line.starts_with("Applied ")), "{status}");
        let contents = cluster.contents().await;
        assert!(contents.iter().all(|node| node == &contents[0]), "{contents:?}");

        cluster.clear().await;
        let servers = urls.iter().zip(ADDRESSES);
        let servers = servers.map(|(url, address)| serve_migrated(address, url));
        for server in join_all(servers).await {
            server.client.get("/api/v1/orders").await.assert_status(200);
        }
    }
    println!(
        "fault injection: Galera, {NODES} migrators and {NODES} servers that migrate at once: {rounds} rounds, all \
         succeed"
    );
}

async fn serve_migrated(address: &str, url: &str) -> App {
    App::start_at(address, MARKETSVC, url, &["--migrate"]).await
}
