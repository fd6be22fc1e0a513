//! The real gateway between stand-ins for its peers: what it answers, what it passes on, and what it tells about it.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, which is their way to report"
)]

mod catalogue;
mod edge;
mod life;
mod orders;
mod page;
mod scenarios;
mod shop;
mod stand_in;
