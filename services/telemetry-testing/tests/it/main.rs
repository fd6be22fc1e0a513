//! The sink over real HTTP with real OTLP messages; every matcher both ways.
#![expect(
    clippy::unwrap_used,
    reason = "support code of tests, which clippy does not recognise as such"
)]

mod behaviour;
mod child;
mod json;
mod matcher;
mod poll;
mod sink;
mod terminal;
mod trace;
mod tree;
mod wire;
