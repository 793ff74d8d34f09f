//! Pools that read from one URL.

use std::{sync::Arc, time::Duration};

use database_url::{Backend, DatabaseUrl};
use sea_orm::{DbBackend, DbErr};

use super::{
    connect::{Connector, Role},
    deadlines::{Deadlines, ORDINARY, PROBE, REPORT},
    outage::Outage,
    pool::{Limits, Pool},
    stats::{Counters, PoolStats},
};

/// Maker of pools of connections to one URL.
#[derive(Clone)]
pub struct PoolMaker<'a> {
    url: &'a DatabaseUrl,
    max_connections: usize,
    acquire_timeout: Duration,
    counters: &'a Arc<Counters>,
    /// Shared by the pools of a server, which all reach it again or lose it at the same time.
    outage: Arc<Outage>,
}

impl<'a> PoolMaker<'a> {
    /// Makes pools with up to `max_connections`, for which a task waits for `acquire_timeout`.
    pub fn new(
        url: &'a DatabaseUrl,
        max_connections: usize,
        acquire_timeout: Duration,
        counters: &'a Arc<Counters>,
    ) -> Self {
        Self { url, max_connections, acquire_timeout, counters, outage: Arc::default() }
    }

    /// Returns the URL.
    pub fn url(&self) -> &DatabaseUrl {
        self.url
    }

    /// Returns the greatest number of connections of a pool.
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// Makes a pool without open connections.
    pub fn make(
        &self,
        name: &'static str,
        role: Role,
        max_connections: usize,
        deadlines: Deadlines,
    ) -> Pool {
        let Self { url, acquire_timeout, counters, .. } = *self;
        let connector = Connector::new(url, role, acquire_timeout, deadlines.statement);
        let limits = Limits { max_connections, acquire_timeout, deadline: deadlines.answer };
        let (backend, outage) = match url.backend() {
            // A file may be readable and not writable.
            Backend::Sqlite => (DbBackend::Sqlite, Arc::default()),
            Backend::Postgres => (DbBackend::Postgres, Arc::clone(&self.outage)),
            Backend::MySql => (DbBackend::MySql, Arc::clone(&self.outage)),
        };
        Pool::new(name, (connector, backend), limits, (counters, outage))
    }
}

/// Pools that read from one URL.
#[derive(Debug)]
pub struct Readers {
    /// For ordinary reads.
    pub ordinary: Pool,
    /// At most half of the connections of `ordinary`, for the later pages of streams.
    pub pages: Pool,
    /// For reports: a quarter as many connections, whose statements may run for longer.
    pub reports: Pool,
    /// For probes: one connection that answers within 2 s.
    pub probe: Pool,
}

impl Readers {
    /// Makes the pools; `names` are those of ordinary reads and reports.
    pub fn new(pools: &PoolMaker<'_>, names: [&'static str; 2]) -> Self {
        let [ordinary, reports] = names;
        let ordinary = pools.make(ordinary, Role::Reader, pools.max_connections, ORDINARY);
        let quarter = (pools.max_connections / 4).max(1);
        // A probe has less time to connect than others have, so its failures are not theirs.
        let (acquire_timeout, outage) = (PROBE.answer, Arc::default());
        let probes = PoolMaker { acquire_timeout, outage, ..pools.clone() };
        Self {
            pages: ordinary.half(),
            ordinary,
            reports: pools.make(reports, Role::Reader, quarter, REPORT),
            probe: probes.make("probe", Role::Reader, 1, PROBE),
        }
    }

    /// Returns the statistics, without those of probes.
    pub fn stats(&self) -> [PoolStats; 2] {
        [self.ordinary.stats(), self.reports.stats()]
    }

    /// Waits for running statements, then closes every connection.
    pub async fn close(&self) -> Result<(), DbErr> {
        self.probe.close().await?;
        self.reports.close().await?;
        self.ordinary.close().await
    }
}
