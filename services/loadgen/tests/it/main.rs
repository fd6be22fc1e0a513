//! The generator against a server of this process: what it sends and when, what it makes of slow, broken and missing answers,
//! and what it says about them.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, which is their way to report"
)]

mod binary;
mod open_loop;
mod server;
