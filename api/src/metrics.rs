//! Figures for Prometheus. Routes are named by their template: paths would be without number.

use std::time::Instant;

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::Next,
    web::Data,
};
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector,
};
use service::Load;

use crate::limits::Gate;

type Result<T, E = prometheus::Error> = std::result::Result<T, E>;

/// Seconds: from a read of one row to a report of everything.
const BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The figures of a server.
pub struct Metrics {
    registry: Registry,
    durations: HistogramVec,
}

impl Metrics {
    /// Of a server that has answered nothing yet.
    pub fn new() -> Result<Self> {
        let options = HistogramOpts::new(
            "marketsvc_http_request_duration_seconds",
            "Time until an answer began, by route and status",
        );
        let labels = ["method", "route", "status"];
        let durations = HistogramVec::new(options.buckets(BUCKETS.to_vec()), &labels)?;
        let registry = Registry::new();
        registry.register(Box::new(durations.clone()))?;
        Ok(Self { registry, durations })
    }

    /// All figures in Prometheus' text format.
    pub fn text(&self, gate: &Gate, load: &Load) -> Result<String> {
        let mut families = self.registry.gather();
        families.extend(gauge(
            ("marketsvc_http_requests_in_flight", "Requests whose answer has not begun"),
            "protocol",
            [("http", gate.in_flight())],
        )?);
        families.extend(gauge(
            ("marketsvc_db_connections_in_use", "Database connections at work"),
            "pool",
            load.pools.iter().map(|pool| (pool.name, pool.in_use)),
        )?);
        families.extend(gauge(
            ("marketsvc_db_connections_idle", "Database connections that are open and free"),
            "pool",
            load.pools.iter().map(|pool| (pool.name, pool.idle)),
        )?);
        families.extend(gauge(
            ("marketsvc_db_waiting", "Tasks that wait for a database connection"),
            "pool",
            load.pools.iter().map(|pool| (pool.name, pool.waiting)),
        )?);
        families.extend(counter(
            (
                "marketsvc_db_statements_total",
                "SQL statements, but for those that begin and end transactions",
            ),
            load.statements,
        )?);
        families.extend(counter(
            ("marketsvc_orders_placed_total", "Orders placed, repeated requests aside"),
            load.orders_placed,
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

fn counter((name, help): (&str, &str), value: u64) -> Result<Families> {
    let counter = IntCounter::new(name, help)?;
    counter.inc_by(value);
    Ok(counter.collect())
}

/// Middleware: measures how long an answer takes to begin.
pub async fn measure(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let metrics = request.app_data::<Data<Metrics>>().cloned();
    let response = next.call(request).await?;
    if let Some(metrics) = metrics {
        let request = response.request();
        let route = request.match_pattern().unwrap_or_else(|| "unknown".to_owned());
        let status = response.status();
        let labels = [method(request.method()), &route, status.as_str()];
        if let Ok(durations) = metrics.durations.get_metric_with_label_values(&labels) {
            durations.observe(started.elapsed().as_secs_f64());
        }
    }
    Ok(response)
}

/// Whatever a client may call a method, there are few names for it here.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}
