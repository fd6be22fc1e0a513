//! The real binary, from its configuration to its end, against an in-process OTLP sink.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, also in its helpers"
)]

mod catalogue;
mod faults;
mod life;
mod service;
mod telemetry;
