//! What needs no stack: the doctor's judgement, and the agreement of table, pages, rules and shipped files.

#![expect(
    clippy::unwrap_used,
    reason = "what a test sets up is there, or the test has failed"
)]

mod doctor;
mod pages;
