//! Every name that leaves a process of the shop.
//!
//! `registry/` defines the spans, metrics, log events and attributes as an OpenTelemetry semantic-convention registry, in the format of
//! [Weaver](https://github.com/open-telemetry/weaver). Generated from it are the constants of this crate, which the services use, and
//! `services/telemetry/TELEMETRY.md`, for people. To change a name, edit the registry and run
//!
//! ```text
//! UPDATE=1 cargo test --workspace --test generated
//! ```
//!
//! Constants are named after the `id` of a definition, so that code changes only if the id changes too.
//!
//! Dashboards, alerts and queries outside this repository may rely on every name here. Tests and `verify` read the registry itself
//! (feature `registry`) and compare it with what the services emit.

#![warn(missing_docs)]

#[cfg(feature = "registry")]
pub mod generate;
mod names;
#[cfg(feature = "registry")]
mod registry;

pub use names::{attributes, events, metrics, spans};
#[cfg(feature = "registry")]
pub use registry::{
    Attribute, AttributeRef, Event, Instrument, Metric, Registry, Span, SpanKind, prometheus_name,
};
