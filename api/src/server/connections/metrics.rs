//! Metrics of connections.

use actix_http::error::{DispatchError, ParseError};
use prometheus::{
    IntCounterVec, IntGauge, Opts, Result,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::connection::Reason;

/// Numbers of connections, and of the requests that do not reach the application.
#[derive(Clone)]
pub struct ConnectionMetrics {
    open: IntGauge,
    closed: IntCounterVec,
    refused_requests: IntCounterVec,
    failed_handshakes: IntCounterVec,
}

impl ConnectionMetrics {
    /// Creates the metrics of a server without connections.
    pub fn new() -> Result<Self> {
        let counter = |name, help, reasons: &[&str]| -> Result<IntCounterVec> {
            let counter = IntCounterVec::new(Opts::new(name, help), &["reason"])?;
            for reason in reasons {
                // Present from the start, so that a rate can be calculated.
                counter.get_metric_with_label_values(&[*reason])?;
            }
            Ok(counter)
        };
        let reasons: Vec<_> =
            Reason::ALL.iter().map(|(_, label)| *label).chain(["refused"]).collect();
        Ok(Self {
            open: IntGauge::new("marketsvc_http_connections_open", "Open connections of clients")?,
            closed: counter(
                "marketsvc_http_connections_closed_total",
                "Connections closed by the server, without those closed after an answer",
                &reasons,
            )?,
            refused_requests: counter(
                "marketsvc_http_requests_refused_total",
                "Requests refused by the HTTP parser",
                &["malformed", "head_too_large"],
            )?,
            failed_handshakes: counter(
                "marketsvc_tls_handshakes_failed_total",
                "TLS handshakes that failed",
                &["error", "rate", "timeout"],
            )?,
        })
    }

    pub(super) fn open(&self, connections: usize) {
        self.open.set(i64::try_from(connections).unwrap_or(i64::MAX));
    }

    pub(super) fn closed(&self, reason: Reason) {
        let label = Reason::ALL.iter().find(|(known, _)| *known == reason);
        increment(&self.closed, label.map_or("", |(_, label)| label));
    }

    /// Counts a connection that found no place.
    pub(super) fn refused(&self) {
        increment(&self.closed, "refused");
    }

    /// Counts a connection whose end was an error, if the HTTP parser refused a request.
    pub(super) fn ended(&self, error: &DispatchError) {
        match error {
            DispatchError::Parse(ParseError::TooLarge) => {
                increment(&self.refused_requests, "head_too_large");
            }
            DispatchError::Parse(_) => increment(&self.refused_requests, "malformed"),
            _ => {}
        }
    }

    pub(super) fn failed_handshake(&self, reason: &str) {
        increment(&self.failed_handshakes, reason);
    }

    fn collectors(&self) -> [&dyn Collector; 4] {
        [&self.open, &self.closed, &self.refused_requests, &self.failed_handshakes]
    }
}

fn increment(counter: &IntCounterVec, reason: &str) {
    if let Ok(counter) = counter.get_metric_with_label_values(&[reason]) {
        counter.inc();
    }
}

impl Collector for ConnectionMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.collectors().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.collectors().into_iter().flat_map(Collector::collect).collect()
    }
}
