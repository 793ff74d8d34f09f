//! Pool of connections, each for one statement or transaction at a time.
//!
//! A connection is given up, and never used again, when it does not answer by its deadline or fails in another way than
//! by an error that the database reports. One whose user leaves in the middle is used again once it answers.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnAcquireErr, DbBackend, DbErr, RuntimeErr};
use tokio::{
    runtime::Handle,
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    connect::{Connector, Opened},
    connection::Connection,
    deadlines, echo,
    idle::{Idle, IdleConnections},
    lease::{Lease, Permits},
    outage::Outage,
    stats::{Counters, PoolStats},
};

/// Time without use after which a connection is tested before it is used.
const TEST_AFTER: Duration = Duration::from_secs(30);

/// Time without use after which a connection is closed.
const MAX_IDLE_TIME: Duration = Duration::from_mins(10);

/// Pool of connections. Cheap to clone.
///
/// As a connection of SeaORM it runs each statement on a pooled connection, by the pool's deadline.
#[derive(Clone, Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    /// Permits for the part of the connections that this handle may use; `None` for all.
    part: Option<Arc<Semaphore>>,
}

/// State that all handles of a pool share.
#[derive(Debug)]
pub(super) struct Shared {
    name: &'static str,
    backend: DbBackend,
    connector: Connector,
    limits: Limits,
    permits: Arc<Semaphore>,
    idle: IdleConnections,
    outage: Arc<Outage>,
    tracked: Arc<AtomicUsize>,
    /// Number of connections that are leased, or waited for after their lease.
    leased: AtomicUsize,
    /// Notified at the end of each lease.
    ended: Notify,
    counters: Arc<Counters>,
    /// Runtime in which connections whose user left are waited for.
    runtime: Handle,
}

/// Limits of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Greatest number of connections.
    pub max_connections: usize,
    /// Time that a task waits for a free connection.
    pub acquire_timeout: Duration,
    /// Time that a statement or transaction may take.
    pub deadline: Duration,
}

impl Pool {
    /// Makes a pool without open connections. Call it in the runtime that outlives all users.
    pub(super) fn new(
        name: &'static str,
        (connector, backend): (Connector, DbBackend),
        limits: Limits,
        (counters, outage): (&Arc<Counters>, Arc<Outage>),
    ) -> Self {
        let shared = Shared {
            name,
            backend,
            connector,
            limits,
            permits: Arc::new(Semaphore::new(limits.max_connections)),
            idle: IdleConnections::new(Arc::clone(&outage)),
            outage,
            tracked: Arc::default(),
            leased: AtomicUsize::new(0),
            ended: Notify::new(),
            counters: Arc::clone(counters),
            runtime: Handle::current(),
        };
        Self { shared: Arc::new(shared), part: None }
    }

    /// Returns a handle that uses at most half of the connections, so that others are left for other handles.
    pub(super) fn half(&self) -> Self {
        let connections = (self.shared.limits.max_connections / 2).max(1);
        let part = Some(Arc::new(Semaphore::new(connections)));
        Self { shared: Arc::clone(&self.shared), part }
    }

    /// Returns the kind of the database.
    pub(super) fn backend(&self) -> DbBackend {
        self.shared.backend
    }

    /// Takes a connection, an idle one or else a new one.
    ///
    /// # Errors
    /// [`DbErr::ConnectionAcquire`] if none is free within the acquire timeout, or the reason why none can be opened.
    pub(super) async fn lease(&self) -> Result<Lease, DbErr> {
        let tracked = self.track();
        let permits = self.permits().await?;
        let connection = match self.idle_connection().await {
            Some(connection) => connection,
            None => match self.open().await {
                Ok(connection) => connection,
                // Perhaps the server permits no further connections.
                Err(error) => self.connection_of_another().await.ok_or(error)?,
            },
        };
        let deadline = self.shared.limits.deadline;
        Ok(Lease::new(Arc::clone(&self.shared), connection, deadline, permits, tracked))
    }

    async fn permits(&self) -> Result<Permits, DbErr> {
        let timeout = self.shared.limits.acquire_timeout;
        let part = match &self.part {
            Some(part) => Some(permit(part, timeout).await?),
            None => None,
        };
        Ok((permit(&self.shared.permits, timeout).await?, part))
    }

    /// Waits until another user gives a connection back, at most for the acquire timeout, as long as there is one.
    async fn connection_of_another(&self) -> Option<Connection> {
        let shared = &self.shared;
        let waiting = async {
            loop {
                let ended = shared.ended.notified();
                if let Some(connection) = shared.idle.take_any() {
                    return Some(connection);
                }
                if shared.leased.load(SeqCst) == 0 {
                    return None;
                }
                ended.await;
            }
        };
        timeout(shared.limits.acquire_timeout, waiting).await.ok().flatten()
    }

    /// Returns an idle connection that is not too old and answers.
    async fn idle_connection(&self) -> Option<Connection> {
        let shared = &self.shared;
        let max = shared.limits.max_connections;
        while let Some(Idle { connection, since }) = shared.idle.take(shared.in_use(), max) {
            let idle_for = since.elapsed();
            if idle_for < TEST_AFTER {
                return Some(connection);
            }
            if idle_for >= MAX_IDLE_TIME {
                continue;
            }
            match timeout(deadlines::PROBE.answer, connection.database.ping()).await {
                Ok(Ok(())) => return Some(connection),
                Ok(Err(_)) => {}
                // The others are as old, and would be waited for one after the other.
                Err(_) => shared.idle.give_up(connection.generation),
            }
        }
        None
    }

    async fn open(&self) -> Result<Connection, DbErr> {
        let shared = &self.shared;
        if shared.idle.are_too_many_abandoned(shared.limits.max_connections) {
            let reason = "too many connections wait for an answer of the database";
            return Err(DbErr::Conn(RuntimeErr::Internal(reason.to_owned())));
        }
        let generation = shared.idle.generation();
        let opened = shared.outage.unless_down(shared.connector.open()).await?;
        let Opened { mut database, interrupt, transaction_limits } = opened;
        let counters = Arc::clone(&shared.counters);
        database.set_metric_callback(move |info| {
            if !echo::is_silent() {
                counters.statements.fetch_add(1, Relaxed);
            }
            echo::statement(info.statement, info.elapsed, info.failed);
        });
        let transaction_limits = transaction_limits.map(Into::into);
        let opened_at = Instant::now();
        Ok(Connection { database, interrupt, transaction_limits, opened_at, generation })
    }

    /// Gives up the connections of all pools of the server, which has lost its role.
    pub(super) fn give_up_server(&self) {
        let idle = &self.shared.idle;
        idle.give_up_server(idle.generation());
    }

    /// Counts a task that holds or waits for a connection until the guard is dropped.
    pub(super) fn track(&self) -> InUseGuard {
        self.shared.tracked.fetch_add(1, Relaxed);
        InUseGuard(Arc::clone(&self.shared.tracked))
    }

    /// Returns the statistics.
    pub(super) fn stats(&self) -> PoolStats {
        let shared = &self.shared;
        let in_use = shared.in_use();
        let tracked = shared.tracked.load(Relaxed);
        let waiting = tracked.saturating_sub(in_use);
        PoolStats { name: shared.name, in_use, idle: shared.idle.len(), waiting, tracked }
    }

    /// Waits for running statements, then closes every connection.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        let all = u32::try_from(self.shared.limits.max_connections).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _permits = self.shared.permits.acquire_many(all).await;
        for Idle { connection, .. } in self.shared.idle.take_all() {
            connection.database.close().await?;
        }
        Ok(())
    }
}

async fn permit(
    semaphore: &Arc<Semaphore>,
    limit: Duration,
) -> Result<OwnedSemaphorePermit, DbErr> {
    if let Ok(permit) = Arc::clone(semaphore).try_acquire_owned() {
        return Ok(permit);
    }
    match timeout(limit, Arc::clone(semaphore).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
        Err(_) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
    }
}

impl Shared {
    /// Returns the list of idle connections.
    pub(super) fn idle(&self) -> &IdleConnections {
        &self.idle
    }

    fn in_use(&self) -> usize {
        self.limits.max_connections.saturating_sub(self.permits.available_permits())
    }

    /// Counts a lease.
    pub(super) fn lease_begins(&self) {
        self.leased.fetch_add(1, SeqCst);
    }

    /// Counts the end of a lease, and wakes those that wait for its connection.
    pub(super) fn lease_ends(&self) {
        self.leased.fetch_sub(1, SeqCst);
        self.ended.notify_waiters();
    }

    /// Returns the runtime in which connections whose user left are waited for.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

/// Guard of a task that holds or waits for a connection.
#[derive(Debug)]
pub struct InUseGuard(Arc<AtomicUsize>);

impl Drop for InUseGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use entity::item;
    use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait, Statement, sqlx};

    use super::*;
    use crate::testing::demo_database;

    /// Statement that runs for hours.
    const ENDLESS: &str =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

    fn endless() -> Statement {
        Statement::from_string(DbBackend::Sqlite, ENDLESS)
    }

    async fn until_unused(pool: &Pool) {
        let waiting = async {
            while pool.stats().tracked > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(5), waiting).await.expect("a connection is still in use");
    }

    #[tokio::test]
    async fn a_statement_ends_when_its_user_leaves_and_the_connection_is_used_again() {
        let (_directory, db) = demo_database().await;
        for _ in 0..5 {
            for pool in [db.reader(), db.report_reader()] {
                let running = timeout(Duration::from_millis(50), pool.query_all_raw(endless()));
                running.await.expect_err("the statement should not end by itself");
                until_unused(pool).await;
                assert_eq!(item::Entity::find().count(pool).await.unwrap(), 4);
            }
        }
        assert!(db.reader().stats().idle <= 2);
    }

    #[tokio::test]
    async fn a_statement_ends_at_its_deadline() {
        let (_directory, db) = demo_database().await;
        let mut lease = db.reader().lease().await.unwrap();
        lease.expire_in(Duration::from_millis(50));
        let database = lease.database();
        let error = lease.run(database.query_all_raw(endless())).await.unwrap_err();
        assert!(error.to_string().contains("did not answer in time"), "{error}");
        drop(lease);
        assert_eq!(db.reader().stats().idle, 0, "the connection is kept");
        assert_eq!(item::Entity::find().count(db.reader()).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn a_connection_is_closed_after_an_error_that_is_not_the_databases() {
        let (_directory, db) = demo_database().await;
        // The last one means that the network, and with it every connection, is lost.
        for (error, kept) in [
            (sqlx::Error::RowNotFound, Some(1)),
            (sqlx::Error::Encode("as if".into()), Some(0)),
            (sqlx::Error::Protocol("as if".to_owned()), Some(0)),
            (sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()), None),
        ] {
            assert_eq!(item::Entity::find().count(db.reader()).await.unwrap(), 4);
            let mut lease = db.reader().lease().await.unwrap();
            let others = db.reader().stats().idle;
            let error = DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)));
            lease.run(async { Err::<(), _>(error) }).await.unwrap_err();
            drop(lease);
            let idle = db.reader().stats().idle;
            assert_eq!(idle, kept.map_or(0, |kept| others + kept));
        }
    }

    #[tokio::test]
    async fn reports_leave_connections_to_others() {
        let (_directory, db) = demo_database().await;
        let reports: Vec<_> = (0..4)
            .map(|_| {
                let pool = db.report_reader().clone();
                tokio::spawn(async move { pool.query_all_raw(endless()).await })
            })
            .collect();
        for _ in 0..20 {
            let count = item::Entity::find().count(db.reader());
            assert_eq!(timeout(Duration::from_secs(2), count).await.unwrap().unwrap(), 4);
        }
        reports.iter().for_each(tokio::task::JoinHandle::abort);
        until_unused(db.reader()).await;
    }
}
