//! Configuration from the environment: read once, checked as a whole, never guessed.
//!
//! Two families of variables, each with its own way of writing values:
//!
//! | family | times | switches | an unknown name |
//! |---|---|---|---|
//! | `SHOP_*`, ours, see [`VARIABLES`] | `5s`, `200ms` | `on`, `off` | ends the start, with the nearest known name |
//! | `OTEL_*`, standard, see [`TelemetryConfig`] | bare milliseconds | `true`, `false` | one warning, see [`UNSUPPORTED`] |
//!
//! An empty value counts as not set. A [`Reader`] collects every error, so that an operator sees all of them at once:
//! each names the variable, its value and what was expected.

mod environment;
mod exporter;
mod otel;
mod reader;
mod telemetry;
mod unsupported;
mod variables;

pub use environment::Environment;
pub use exporter::ExporterConfig;
pub use otel::{Propagator, SamplerConfig};
pub use reader::{Invalid, Reader, Refused};
pub use telemetry::{Batching, LogConfig, TelemetryConfig};
pub use unsupported::UNSUPPORTED;
pub(crate) use unsupported::warnings;
pub use variables::{VARIABLES, Variable};
