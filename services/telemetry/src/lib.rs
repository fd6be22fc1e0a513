//! Everything a service needs to be observed, from its first line to its last: configuration, resource, the three signals,
//! their delivery, their end.
//!
//! # Start
//!
//! `main` says who the service is, what it reads and what it does; [`run`] does the rest and gives the exit code.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use telemetry::metrics::meter;
//! use telemetry::{Service, ServiceContext};
//!
//! fn main() -> ExitCode {
//!     let service = Service { name: "counter", version: env!("CARGO_PKG_VERSION") };
//!     telemetry::run(service, |reader| reader.count("SHOP_MAX_IN_FLIGHT", 512), serve)
//! }
//!
//! async fn serve(limit: usize, context: ServiceContext) -> anyhow::Result<()> {
//!     meter().u64_counter("shop.limit").build().add(limit as u64, &[]);
//!     slog::info!(context.log, "Waiting"; "event.name" => "counter.waiting", "limit" => limit);
//!     context.stopping.cancelled().await;
//!     Ok(())
//! }
//! ```
//!
//! `examples/greeter.rs` is the smallest service that serves: `cargo run -p telemetry --example greeter`.
//!
//! # Use
//!
//! | for | use | it becomes |
//! |---|---|---|
//! | a step of the business | `#[tracing::instrument(skip_all)]` | an INTERNAL span, in the trace of the request |
//! | an edge | the layers of `otel-tower` | SERVER and CLIENT spans, durations, propagation |
//! | a query | [`db::Database`] | a CLIENT span, a duration |
//! | an event | `slog::info!(log, "Message"; "event.name" => events::…, …)` | one record, in the file and over OTLP, with the ids of its span |
//! | a number | [`metrics::meter`] | a metric |
//! | a task | [`spawn`] | work in the same trace |
//!
//! Every name that leaves the process is a constant of `contract` and, for people, a row of `TELEMETRY.md`.
//! `tracing` is for spans and slog for events: a `tracing` event of the service's own code is no span event, it takes the way of
//! library messages into the log, from WARN on (see [`log`]). Record integers on spans as `i64`; the bridge turns other integers into text.
//!
//! # Configure
//!
//! [`config`] lists the variables. A wrong one ends the start with exit code 64, and every wrong one is named.
//!
//! # What it holds
//!
//! - A request never waits for telemetry: queues are bounded, what finds no place is dropped and counted by reason.
//! - Each item has exactly one outcome, counted and exported: see [`delivery`].
//! - No export makes telemetry about itself, and no runtime flavour of the service deadlocks: the delivery has its own.
//! - The end is bounded: [`Telemetry::shutdown`] takes one deadline for all signals, sends the metrics last, and tells what was lost.
//!
//! # Test
//!
//! [`Telemetry::isolated`] gives a test its own telemetry, which no other test sees; `telemetry-testing` has the OTLP server it
//! sends to. A test of the whole service starts its binary as a child and points `OTEL_EXPORTER_OTLP_ENDPOINT` at that server.

#![warn(missing_docs)]

pub mod config;
pub mod db;
pub mod delivery;
pub mod log;
pub mod metrics;
pub mod process;
mod providers;
mod resource;
mod run;
mod service;
mod shutdown;
mod signals;
mod spans;
mod spawn;
mod telemetry;

pub use providers::StartError;
pub use run::run;
pub use service::{Service, ServiceContext};
pub use shutdown::{Report, SignalReport};
pub use spawn::spawn;
pub use telemetry::Telemetry;
