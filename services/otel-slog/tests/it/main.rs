//! The rows of the crate's tables, through the SDK.
#![expect(clippy::expect_used, reason = "a test that cannot go on ends there")]

mod capture;

mod asynchronous;
mod enabled;
mod errors;
mod fields;
mod nested;
mod record;
mod severity;
mod values;
