//! What the service counts: calls of PlaceOrder by outcome, and the value of placed orders.

use std::sync::{Arc, OnceLock};

use contract::{attributes, metrics as names};
use hosting::money::Money;
use telemetry::metrics::{Counter, Histogram, KeyValue};

/// How a call of PlaceOrder ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Placed,
    /// Too little stock.
    Rejected,
    /// The caller's fault.
    Invalid,
    /// Ours, or a dependency's.
    Failed,
    /// The caller went away first.
    Cancelled,
    /// An idempotent repetition: the order was counted when it was placed, so this counts nothing.
    Repeated,
}

#[derive(Clone)]
pub(crate) struct Metrics {
    orders: Counter<u64>,
    value: Histogram<f64>,
}

/// Counts one call when its last holder is done with it: as cancelled, if none of them said otherwise.
///
/// The handler holds one and the task that commits the order another, as that one outlives a cancelled call.
#[derive(Clone)]
pub(crate) struct Attempt(Arc<Inner>);

struct Inner {
    orders: Counter<u64>,
    outcome: OnceLock<Outcome>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = telemetry::metrics::meter();
        let orders = meter
            .u64_counter(names::ORDERS)
            .with_unit("{order}")
            .with_description("Calls of PlaceOrder by outcome.")
            .build();
        let value = meter
            .f64_histogram(names::ORDER_VALUE)
            .with_unit("EUR")
            .with_description("Value of placed orders.")
            .with_boundaries(vec![
                5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0,
            ])
            .build();
        // Without these zeros the first event of an outcome would be a new series, which no rate shows.
        for outcome in attributes::ORDER_OUTCOMES {
            orders.add(0, &[KeyValue::new(attributes::ORDER_OUTCOME, *outcome)]);
        }
        Self { orders, value }
    }

    pub(crate) fn attempt(&self) -> Attempt {
        Attempt(Arc::new(Inner {
            orders: self.orders.clone(),
            outcome: OnceLock::new(),
        }))
    }

    pub(crate) fn placed(&self, total: &Money) {
        self.value.record(total.major(), &[]);
    }
}

impl Attempt {
    /// The first word holds. True if this is it: whoever has it also logs it.
    pub(crate) fn settle(&self, outcome: Outcome) -> bool {
        self.0.outcome.set(outcome).is_ok()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let outcome = self.outcome.get().copied().unwrap_or(Outcome::Cancelled);
        if let Some(label) = outcome.label() {
            self.orders
                .add(1, &[KeyValue::new(attributes::ORDER_OUTCOME, label)]);
        }
    }
}

impl Outcome {
    fn label(self) -> Option<&'static str> {
        match self {
            Self::Placed => Some("placed"),
            Self::Rejected => Some("rejected"),
            Self::Invalid => Some("invalid"),
            Self::Failed => Some("failed"),
            Self::Cancelled => Some("cancelled"),
            Self::Repeated => None,
        }
    }
}
