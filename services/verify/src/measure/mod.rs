//! Measurements that take longer than a row may: how fresh telemetry is, and whether its volume grows with traffic.

mod cardinality;
mod freshness;
mod spread;

pub use cardinality::{Load, cardinality};
pub use freshness::freshness;
