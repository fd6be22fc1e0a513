//! `shop.inventory.reservations`: what became of reservations. A repeated answer is not counted again.
//!
//! The store counts what it commits: only there no caller can go away in between.

use telemetry::metrics::{Counter, KeyValue, meter};
use telemetry::names::attributes::{RESERVATION_OUTCOME, RESERVATION_OUTCOMES};
use telemetry::names::metrics::RESERVATIONS;

#[derive(Clone)]
pub(crate) struct Metrics {
    reservations: Counter<u64>,
}

#[derive(Clone, Copy)]
pub(crate) enum Outcome {
    Reserved,
    Rejected,
    Confirmed,
    Released,
    Expired,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let reservations = meter()
            .u64_counter(RESERVATIONS)
            .with_unit("{reservation}")
            .with_description("Reservations, by what became of them.")
            .build();
        // A series that exists from the start makes the first event an increase.
        for outcome in RESERVATION_OUTCOMES {
            reservations.add(0, &[KeyValue::new(RESERVATION_OUTCOME, *outcome)]);
        }
        Self { reservations }
    }

    pub(crate) fn count(&self, outcome: Outcome, reservations: usize) {
        let outcome = KeyValue::new(RESERVATION_OUTCOME, outcome.name());
        self.reservations.add(reservations as u64, &[outcome]);
    }
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Rejected => "rejected",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }
}
