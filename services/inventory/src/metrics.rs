//! `shop.inventory.reservations`: what became of reservations. A repeated answer is not counted again.
//! `shop.inventory.open_reservations`: those that hold stock and are not final, also from before a restart.
//!
//! The store counts what it commits: only there no caller can go away in between.

use contract::attributes::{RESERVATION_OUTCOME, RESERVATION_OUTCOMES};
use contract::metrics::{INVENTORY_OPEN_RESERVATIONS, INVENTORY_RESERVATIONS};
use telemetry::metrics::{Counter, KeyValue, UpDownCounter, meter};

#[derive(Clone)]
pub(crate) struct Metrics {
    reservations: Counter<u64>,
    open: UpDownCounter<i64>,
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
            .u64_counter(INVENTORY_RESERVATIONS)
            .with_unit("{reservation}")
            .with_description("Reservations, by what became of them.")
            .build();
        // A series that exists from the start makes the first event an increase.
        for outcome in RESERVATION_OUTCOMES {
            reservations.add(0, &[KeyValue::new(RESERVATION_OUTCOME, *outcome)]);
        }
        let open = meter()
            .i64_up_down_counter(INVENTORY_OPEN_RESERVATIONS)
            .with_unit("{reservation}")
            .with_description("Reservations that are neither confirmed, released nor expired.")
            .build();
        Self { reservations, open }
    }

    /// What the store holds at the start. Without it, what an earlier process has reserved would be missing when it ends.
    pub(crate) fn found_open(&self, reservations: i64) {
        self.open.add(reservations, &[]);
    }

    pub(crate) fn count(&self, outcome: Outcome, reservations: u32) {
        let name = KeyValue::new(RESERVATION_OUTCOME, outcome.name());
        self.reservations.add(reservations.into(), &[name]);
        let reservations = i64::from(reservations);
        match outcome {
            Outcome::Reserved => self.open.add(reservations, &[]),
            Outcome::Rejected => {}
            Outcome::Confirmed | Outcome::Released | Outcome::Expired => {
                self.open.add(-reservations, &[]);
            }
        }
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
