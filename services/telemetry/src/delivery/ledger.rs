//! What became of each item.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, OTEL_COMPONENT_NAME, OTEL_COMPONENT_TYPE,
};

use contract::metrics;

/// One of the three signals; its items are spans, log records, data points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Spans.
    Spans,
    /// Log records.
    Logs,
    /// Data points of metrics.
    Metrics,
}

/// Failures that are known beforehand: they are exported as 0 from the start, so that the first one is an increase.
const KNOWN: [&str; 9] = [
    "429",
    "502",
    "503",
    "504",
    "connection",
    "panic",
    "rejected",
    "shutdown",
    "timeout",
];

/// The count of items per signal and outcome.
///
/// The counts live here and not in instruments: the shutdown's report reads them too, and items are delivered before there is a meter.
#[derive(Debug)]
pub(crate) struct Ledger(Mutex<BTreeMap<(Signal, Outcome), u64>>);

/// `None`: accepted. Else the `error.type`.
pub(super) type Outcome = Option<String>;

impl Ledger {
    pub(super) fn new() -> Self {
        let signals = [Signal::Spans, Signal::Logs, Signal::Metrics];
        let outcomes = signals.into_iter().flat_map(|signal| {
            let failures = KNOWN.into_iter().map(|known| Some(known.to_owned()));
            [None]
                .into_iter()
                .chain(failures)
                .map(move |outcome| ((signal, outcome), 0))
        });
        Self(Mutex::new(outcomes.collect()))
    }

    pub(super) fn add(&self, signal: Signal, outcome: Outcome, items: u64) {
        if items > 0 {
            *self.counts().entry((signal, outcome)).or_default() += items;
        }
    }

    /// Accepted items of `signal`.
    pub(crate) fn accepted(&self, signal: Signal) -> u64 {
        self.counts()
            .get(&(signal, None))
            .copied()
            .unwrap_or_default()
    }

    /// Items of `signal` that were not accepted, by `error.type`; only what happened.
    pub(crate) fn lost(&self, signal: Signal) -> BTreeMap<String, u64> {
        let counts = self.counts();
        let lost = counts.iter().filter_map(|((of, outcome), items)| {
            let error = outcome.clone().filter(|_| *of == signal && *items > 0)?;
            Some((error, *items))
        });
        lost.collect()
    }

    /// Exports the counts through `meter`.
    pub(crate) fn register(self: &Arc<Self>, meter: &Meter) {
        for signal in [Signal::Spans, Signal::Logs, Signal::Metrics] {
            let (name, unit, component) = signal.instrument();
            let ledger = Arc::clone(self);
            let observe = move |instrument: &dyn AsyncInstrument<u64>| {
                let component = [
                    KeyValue::new(OTEL_COMPONENT_TYPE, component),
                    KeyValue::new(OTEL_COMPONENT_NAME, format!("{component}/0")),
                ];
                // The lock is not held while the SDK is called.
                let counts = ledger.counts().clone();
                for ((of, outcome), items) in counts {
                    if of == signal {
                        let error = outcome.map(|error| KeyValue::new(ERROR_TYPE, error));
                        let attributes: Vec<_> = component.iter().cloned().chain(error).collect();
                        instrument.observe(items, &attributes);
                    }
                }
            };
            meter
                .u64_observable_counter(name)
                .with_unit(unit)
                .with_description("Items by what became of their export")
                .with_callback(observe)
                .build();
        }
    }

    /// A panic elsewhere leaves whole counts behind, so poison means nothing here; and a callback must not panic,
    /// it would end the SDK's metrics thread.
    fn counts(&self) -> MutexGuard<'_, BTreeMap<(Signal, Outcome), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signal {
    fn instrument(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Spans => (
                metrics::OTEL_SDK_EXPORTER_SPAN_EXPORTED,
                "{span}",
                "otlp_http_span_exporter",
            ),
            Self::Logs => (
                metrics::OTEL_SDK_EXPORTER_LOG_EXPORTED,
                "{log_record}",
                "otlp_http_log_exporter",
            ),
            Self::Metrics => (
                metrics::OTEL_SDK_EXPORTER_METRIC_DATA_POINT_EXPORTED,
                "{data_point}",
                "otlp_http_metric_exporter",
            ),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spans => "spans",
            Self::Logs => "log records",
            Self::Metrics => "data points",
        })
    }
}
