//! The layers against the real things: warp, hyper's client, tonic's server and channel, on loopback.
//! Telemetry goes to in-memory exporters; each test has its own.
#![expect(clippy::unwrap_used, reason = "a fixture that fails ends its test")]

mod chain;
mod deadline;
mod edge;
mod endings;
mod grpc_client;
mod grpc_server;
mod health;
mod http_client;
mod http_server;
mod instruments;
mod processor;
mod servers;
mod telemetry;
