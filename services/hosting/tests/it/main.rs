//! Servers and clients of this crate on loopback, without telemetry: what a caller sees.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails, also in its helpers"
)]

mod client;
mod drain;
mod grpc;
mod http;
mod server;
mod store;
