//! An open-loop load generator for the shop, as a program and as a library. It knows the wire and nothing else of this repository.
//!
//! Requests arrive at a fixed rate: a slow answer does not delay the next request, and each latency counts from the moment a
//! request was **due**, not from the moment it was sent. A generator that waits for answers stops asking while a server stalls,
//! and the stall all but disappears from its percentiles ("coordinated omission").
//!
//! [`pace`] says when an arrival is due (a thread of its own), [`mix`] which route, [`requests`] what is sent; [`load`] sends it
//! or, when too many are in flight, counts it as shed; [`tally`] counts the outcomes, [`report`] shows them.
//!
//! The generator sends no telemetry and no `traceparent`: the gateway starts each trace. It keeps the `traceresponse` of the
//! slowest and of the first unexpected answer per route, because the next question is always "why that one?".
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use loadgen::{Load, Plan, Settled};
//!
//! // Three orders per second, until `stop` completes.
//! let plan = Plan::orders("http://127.0.0.1:8080", 3.0)?;
//! let stop = std::future::pending();
//! let load = Load::prepare(plan).await?;
//! let tally = load.run(stop, |settled: &Settled| println!("{:?}", settled.latency)).await?;
//! assert_eq!(tally.total().unexpected, 0);
//! # Ok(()) }
//! ```

pub mod cli;
pub mod client;
pub mod load;
pub mod mix;
pub mod pace;
pub mod plan;
pub mod report;
pub mod requests;
pub mod tally;

pub use load::{Load, Settled, run};
pub use plan::{Amount, Plan};
pub use tally::Tally;
