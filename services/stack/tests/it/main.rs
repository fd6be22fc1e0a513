//! What can be proven without building a Go program: supervision with small programs, and the agreement of all files
//! that must name the same version, port or interval.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which the lint does not recognise as tests"
)]

mod bench;
mod compose;
mod configuration;
mod docker;
mod native;
mod pins;
mod process;
mod readme;
mod repository;
