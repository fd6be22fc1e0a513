//! How many records a lane has dropped, and why.

use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundCounter, Counter, Meter};

use contract::{attributes, metrics};

/// The counter of dropped records. Each known reason starts at 0, so that the first drop is an increase.
pub(super) struct Dropped(Counter<u64>);

impl Dropped {
    pub(super) fn new(meter: &Meter) -> Self {
        let counter = meter
            .u64_counter(metrics::LOG_DROPPED)
            .with_description("Log records that did not reach a lane.")
            .with_unit("{record}")
            .build();
        Self(counter)
    }

    pub(super) fn lane(&self, lane: &'static str) -> DroppedLines {
        DroppedLines {
            full: self.bind(lane, "queue_full"),
            unwritten: self.bind(lane, "write_failed"),
            total: AtomicU64::new(0),
        }
    }

    pub(super) fn bridge(&self) -> BoundCounter<u64> {
        self.bind("bridge", "rate_limited")
    }

    fn bind(&self, lane: &'static str, reason: &'static str) -> BoundCounter<u64> {
        let bound = self.0.bind(&[
            KeyValue::new(attributes::LANE, lane),
            KeyValue::new(attributes::REASON, reason),
        ]);
        bound.add(0);
        bound
    }
}

/// What a lane has dropped.
pub(super) struct DroppedLines {
    full: BoundCounter<u64>,
    unwritten: BoundCounter<u64>,
    total: AtomicU64,
}

impl DroppedLines {
    /// All lines dropped so far.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts a line that found no place.
    pub(super) fn full(&self) {
        self.full.add(1);
        self.total.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the lines of a batch that could not be written, and empties it.
    pub(super) fn unwritten(&self, batch: &mut Vec<u8>) {
        let lines = batch.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.unwritten.add(lines);
        self.total.fetch_add(lines, Ordering::Relaxed);
        batch.clear();
    }
}
