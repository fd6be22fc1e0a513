//! What the crate promises, proven against an OTLP server in this process.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may fail it like the test itself"
)]

mod arrival;
mod bridge;
mod configuration;
mod db;
mod file;
mod idle;
mod outcomes;
mod process;
mod shutdown;
mod stderr;
mod support;
