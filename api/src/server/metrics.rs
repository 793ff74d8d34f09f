//! Metrics registry, in Prometheus' format.

use std::time::Duration;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector,
};
use service::DatabaseStats;

use crate::middleware::{budgets::Resource, limits::RequestLimiter};

type Result<T, E = prometheus::Error> = std::result::Result<T, E>;

/// Upper bounds in seconds: from the read of one row to a report of everything.
const BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Metrics of a server.
pub struct Metrics {
    registry: Registry,
    durations: HistogramVec,
}

impl Metrics {
    /// Creates the metrics of a server that has answered no request.
    pub fn new() -> Result<Self> {
        let options = HistogramOpts::new(
            "marketsvc_http_request_duration_seconds",
            "Time until the answer began, by route and status",
        );
        let labels = ["method", "route", "status"];
        let durations = HistogramVec::new(options.buckets(BUCKETS.to_vec()), &labels)?;
        let registry = Registry::new();
        registry.register(Box::new(durations.clone()))?;
        Ok(Self { registry, durations })
    }

    /// Adds metrics that are recorded elsewhere.
    pub fn register(&self, collector: impl Collector + 'static) -> Result<()> {
        self.registry.register(Box::new(collector))
    }

    /// Records the time until an answer began, by method, route and status.
    pub fn observe(&self, labels: [&str; 3], duration: Duration) {
        if let Ok(durations) = self.durations.get_metric_with_label_values(&labels) {
            durations.observe(duration.as_secs_f64());
        }
    }

    /// Returns all metrics in Prometheus' text format.
    pub fn text(&self, limiter: &RequestLimiter, database: &DatabaseStats) -> Result<String> {
        let DatabaseStats { pools, statements, orders_placed } = database;
        let mut families = self.registry.gather();
        families.extend(gauge(
            (
                "marketsvc_http_requests_in_flight",
                "Requests that have arrived and whose answer has not begun",
            ),
            "protocol",
            [("http", limiter.in_use(Resource::Requests))],
        )?);
        families.extend(gauge(
            ("marketsvc_http_budget_in_use", "Parts of the budgets that requests hold"),
            "budget",
            Resource::ALL.map(|(resource, name)| (name, limiter.in_use(resource))),
        )?);
        families.extend(shed(limiter)?);
        families.extend(gauge(
            ("marketsvc_db_connections_in_use", "Database connections in use"),
            "pool",
            pools.iter().map(|pool| (pool.name, pool.in_use)),
        )?);
        families.extend(gauge(
            ("marketsvc_db_connections_idle", "Open database connections that are not in use"),
            "pool",
            pools.iter().map(|pool| (pool.name, pool.idle)),
        )?);
        families.extend(gauge(
            ("marketsvc_db_waiting", "Tasks that wait for a database connection"),
            "pool",
            pools.iter().map(|pool| (pool.name, pool.waiting)),
        )?);
        families.extend(counter(
            (
                "marketsvc_db_statements_total",
                "SQL statements, except those that begin and end transactions",
            ),
            *statements,
        )?);
        families.extend(counter(
            ("marketsvc_orders_placed_total", "Orders placed, without repeated requests"),
            *orders_placed,
        )?);
        TextEncoder::new().encode_to_string(&families)
    }
}

type Families = Vec<prometheus::proto::MetricFamily>;

fn gauge<'a>(
    (name, help): (&str, &str),
    label: &str,
    values: impl IntoIterator<Item = (&'a str, usize)>,
) -> Result<Families> {
    let gauge = IntGaugeVec::new(Opts::new(name, help), &[label])?;
    for (of, value) in values {
        gauge.get_metric_with_label_values(&[of])?.set(i64::try_from(value).unwrap_or(i64::MAX));
    }
    Ok(gauge.collect())
}

fn shed(limiter: &RequestLimiter) -> Result<Families> {
    let name = "marketsvc_http_requests_shed_total";
    let options = Opts::new(name, "Requests that were refused because of limits");
    let counters = IntCounterVec::new(options, &["reason"])?;
    for (reason, number) in limiter.shed.totals() {
        counters.get_metric_with_label_values(&[reason])?.inc_by(number);
    }
    Ok(counters.collect())
}

fn counter((name, help): (&str, &str), value: u64) -> Result<Families> {
    let counter = IntCounter::new(name, help)?;
    counter.inc_by(value);
    Ok(counter.collect())
}
