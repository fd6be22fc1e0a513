//! The whole shop in one process tree: the four real binaries, wired to each other on free ports, exporting to a sink in
//! this process, without a Collector or a backend: these tests prove what leaves the services.
//!
//! `cargo test --workspace` builds the binaries first. To run this alone: `cargo build --workspace`, then
//! `cargo test --test system`.
#![expect(
    clippy::unwrap_used,
    reason = "support code of tests, which clippy does not recognise as such"
)]

mod configuration;
mod contract;
mod disconnect;
mod grpc;
mod grpc_input;
mod http;
mod http_input;
mod idle;
mod lanes;
mod one_order;
mod outage;
mod scenarios;
mod shop;
mod stock;
mod stop;
