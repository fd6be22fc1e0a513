//! What each of the four servers needs beyond telemetry: listeners, limits, drain, health, problem documents, storage.
//!
//! | module | what a service takes from it |
//! |---|---|
//! | [`http`], [`grpc`] | `serve`: instrumented, limited, drained; and the way out: [`grpc::channel`], [`client`] |
//! | [`health`], [`problem`] | `/healthz` and `/readyz`; errors as `application/problem+json` |
//! | [`store`] | SQLite with one writer, every query a span |
//! | [`fault`], [`money`] | what the shop does on purpose, and what it charges |
//!
//! Limits sit inside the instrumentation: whatever this crate refuses has its span and its place in the metrics.

pub mod client;
mod directory;
pub mod fault;
pub mod grpc;
pub mod health;
pub mod http;
mod limits;
mod listener;
pub mod money;
pub mod problem;
mod recover;
pub mod store;

pub use limits::Limits;
pub use listener::bind;
