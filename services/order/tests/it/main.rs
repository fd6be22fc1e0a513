//! The real order service between stand-ins for its peers: what it answers, what it asks, and what it tells about it.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, which is their way to report"
)]

mod confirming;
mod failures;
mod idempotency;
mod life;
mod placing;
mod shop;
mod stand_in;
