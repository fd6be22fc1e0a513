//! Own metrics of a service.
//!
//! Names, units and attributes are in [`contract::metrics`]. Build instruments once and keep them; a counter adds 0 for each
//! known outcome at start, so that the first event is an increase. On a hot path, [`Counter::bind`] and [`Histogram::bind`] fix
//! the attributes once (2 ns instead of 130 ns for an `add`).
//!
//! ```
//! use telemetry::metrics::{KeyValue, meter};
//! use contract::{attributes, metrics};
//!
//! let reservations = meter().u64_counter(metrics::INVENTORY_RESERVATIONS).with_unit("{reservation}").build();
//! for outcome in attributes::RESERVATION_OUTCOMES {
//!     reservations.add(0, &[KeyValue::new(attributes::RESERVATION_OUTCOME, *outcome)]);
//! }
//! ```

use opentelemetry::{InstrumentationScope, global};
use opentelemetry_semantic_conventions::SCHEMA_URL;

pub use opentelemetry::KeyValue;
pub use opentelemetry::metrics::{
    BoundCounter, BoundHistogram, Counter, Gauge, Histogram, Meter, UpDownCounter,
};

/// Upper bounds for durations in seconds, as the semantic conventions advise. The SDK's own default is made for milliseconds.
pub const SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The same for queries, which are faster.
pub const DATABASE_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The meter of the shop, of the provider that [`crate::run`] installed: an instrument built before that records nothing.
pub fn meter() -> Meter {
    global::meter_with_scope(scope())
}

pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("shop")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(SCHEMA_URL)
        .build()
}
