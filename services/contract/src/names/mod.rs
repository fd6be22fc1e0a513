//! Generated: see the documentation of the crate.

pub mod attributes;
pub mod events;
pub mod metrics;
pub mod spans;
