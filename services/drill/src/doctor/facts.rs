//! What is known about the marked order, whatever it means.

use std::collections::BTreeMap;

use verify::backend::LogLine;
use verify::trace::Trace;

use crate::shop::Answer;

/// In the order in which they are judged: the gateway is ready only when the others are.
pub const SERVICES: [&str; 4] = ["product", "inventory", "order", "gateway"];

/// Everything that was asked. An error is the answer that came instead.
#[derive(Clone, Debug)]
pub struct Facts {
    pub components: BTreeMap<&'static str, Running>,
    pub order: Result<Answer, String>,
    /// The Collector's own counts: `otel-collector` does not say that it takes in or sends, these do.
    pub flow: Result<BTreeMap<Signal, Flow>, String>,
    /// Whether the Collector keeps the traces itself, as there is no Tempo.
    pub is_archived: bool,
    pub trace: Result<Option<Trace>, String>,
    /// The order's lines in Loki, of both lanes.
    pub lines: Result<Vec<LogLine>, String>,
    /// Per `service_name`, the time of its newest point in Prometheus, in seconds since 1970.
    pub newest: Result<BTreeMap<String, f64>, String>,
    /// Whether the order's line is in `rust_app_order.log`; `None` where the file cannot be read from here.
    pub is_in_file: Option<bool>,
    /// The links of a scenario's answer, opened.
    pub links: BTreeMap<String, Result<String, String>>,
    /// What a service was started with, where its process is one of this machine.
    pub settings: BTreeMap<&'static str, BTreeMap<String, String>>,
    /// Where the Collector listens.
    pub otlp: String,
}

/// One component as the launcher sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub is_ready: bool,
    /// Where it is, or why it is not ready.
    pub note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    Traces,
    Logs,
    Metrics,
}

/// What moved through the Collector since the order began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    pub accepted: f64,
    pub sent: f64,
    /// Waiting now, in the queue or on its way.
    pub queued: f64,
    pub failed: f64,
}

// === impl Signal ===

impl Signal {
    pub const ALL: [Self; 3] = [Self::Traces, Self::Logs, Self::Metrics];

    /// As the Collector's metrics call its items.
    pub fn items(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Logs => "log_records",
            Self::Metrics => "metric_points",
        }
    }

    pub fn exporter(self) -> &'static str {
        match self {
            Self::Traces => "otlp_http/tempo",
            Self::Logs => "otlp_http/loki",
            Self::Metrics => "prometheus_remote_write",
        }
    }
}
