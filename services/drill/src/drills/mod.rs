//! `just drill NAME`: break it, watch the alert, see it in three signals, mend it, watch the alert clear.
//!
//! `table` has the drills, and `docs/drills/NAME.md` the queries that each runs. A drill has a stack of its own, with the
//! shipped programs and files; only the windows of its alerts are shorter (`rules`).

pub mod ask;
mod break_it;
mod link;
pub mod page;
pub mod rules;
mod run;
pub mod table;
pub mod traceql;
pub mod traffic;

pub use run::{list, run};
