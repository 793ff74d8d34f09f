//! Pools that read from one URL.

use std::{sync::Arc, time::Duration};

use database_url::{Backend, DatabaseUrl};
use sea_orm::{DbBackend, DbErr};

use super::{
    connect::{Connector, Role},
    deadlines::{Deadlines, ORDINARY, PROBE, REPORT},
    pool::{Limits, Pool},
    stats::{Counters, PoolStats},
};
/// Maker of the pools of a process.
#[derive(Clone, Copy)]
pub struct PoolMaker<'a> {
    /// Time that a task waits for a free connection.
    pub acquire_timeout: Duration,
    /// Counters of all pools.
    pub counters: &'a Arc<Counters>,
}

impl PoolMaker<'_> {
    /// Makes a pool of connections for `role`, without open connections.
    pub fn make(
        self,
        url: &DatabaseUrl,
        (name, role): (&'static str, Role),
        max_connections: usize,
        deadlines: Deadlines,
    ) -> Pool {
        let Self { acquire_timeout, counters } = self;
        let connector = Connector::new(url, role, acquire_timeout, deadlines.statement);
        let limits = Limits { max_connections, acquire_timeout, deadline: deadlines.answer };
        let backend = match url.backend() {
            Backend::Sqlite => DbBackend::Sqlite,
            Backend::Postgres => DbBackend::Postgres,
            Backend::MySql => DbBackend::MySql,
        };
        Pool::new(name, (connector, backend), limits, counters)
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
    pub fn new(
        url: &DatabaseUrl,
        connections: usize,
        pools: PoolMaker<'_>,
        names: [&'static str; 2],
    ) -> Self {
        let [ordinary, reports] = names.map(|name| (name, Role::Reader));
        let ordinary = pools.make(url, ordinary, connections, ORDINARY);
        let probes = PoolMaker { acquire_timeout: PROBE.answer, ..pools };
        Self {
            pages: ordinary.half(),
            ordinary,
            reports: pools.make(url, reports, (connections / 4).max(1), REPORT),
            probe: probes.make(url, ("probe", Role::Reader), 1, PROBE),
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
