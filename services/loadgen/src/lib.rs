//! An open-loop load generator for the shop. It knows the wire and nothing else of this repository.
//!
//! Requests arrive at a fixed rate: a slow answer does not delay the next request, and each latency counts from the moment a
//! request was **due**, not from the moment it was sent. A generator that waits for answers stops asking while a server stalls,
//! and the stall all but disappears from its percentiles ("coordinated omission").
//!
//! How an arrival goes: [`pace`] says when (a thread of its own), [`mix`] which route, [`shape`] what is asked, [`drive`] sends it
//! or, when too many are in flight, counts it as shed; [`tally`] counts what came back, [`report`] says it.
//!
//! The generator sends no telemetry and no `traceparent`: the gateway starts each trace. It keeps the `traceresponse` of the
//! slowest and of the first unexpected answer per route, because the next question is always "why that one?".

pub mod cli;
pub mod client;
pub mod drive;
pub mod gateway;
pub mod hostile;
pub mod mix;
pub mod pace;
pub mod plan;
pub mod prelude;
pub mod progress;
pub mod random;
pub mod report;
pub mod shape;
pub mod tally;
