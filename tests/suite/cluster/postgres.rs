//! Failover from a PostgreSQL primary to its standby under load.

mod pair;

use std::time::Duration;

use tokio::time::sleep;

use super::{
    ClusterCase, Form, cluster_cases,
    site::{RESTART, SILENCE, Site},
};
use pair::Pair;

use crate::harness::database::MARKETSVC;

/// Time that a failover manager takes to notice the failure.
const DETECTION: Duration = Duration::from_secs(1);

pub fn cases() -> Vec<ClusterCase> {
    cluster_cases![pair::obstacle;
        Short: the_primary_is_killed;
        Long: the_primary_is_isolated, replicas_are_restarted;
    ]
}

async fn the_primary_is_killed(form: Form) {
    let mut site = Site::start(Pair::start().await).await;
    for _ in 0..form.times(1, 4) {
        let summary = site
            .inject("primary killed and standby promoted", async |pair| {
                pair.kill_primary();
                sleep(DETECTION).await;
                pair.promote_standby().await;
                sleep(Duration::from_secs(4)).await;
                pair.add_standby().await;
            })
            .await;
        summary.assert_within(form.limit(4.0), &[503]);
    }
}

async fn the_primary_is_isolated(form: Form) {
    let mut site = Site::start(Pair::start().await).await;
    let summary = site
        .inject("primary without any network and standby promoted", async |pair| {
            pair.isolate_primary();
            sleep(DETECTION).await;
            pair.promote_standby().await;
            sleep(Duration::from_secs(15)).await;
            pair.replace_isolated().await;
        })
        .await;
    summary.assert_within(form.limit(SILENCE), &[503]);
}

async fn replicas_are_restarted(form: Form) {
    let mut site = Site::start(Pair::start().await).await;
    let summary = site
        .change("replicas restarted one after another", async |replicas| {
            replicas.replace_all(MARKETSVC, &[]).await;
        })
        .await;
    summary.assert_within(form.limit(RESTART), &[]);
}
