//! Limits on requests: how many at once, how long, how large; and what a panic becomes.
//!
//! tower's own limits do not fit here: a shed request loses its connection without an answer, and a permit ends with the head of
//! the response instead of its body. tonic's sit outside the instrumentation, so that what they refuse has no span.

mod body;
mod config;
mod service;

pub use config::Limits;
pub(crate) use service::{Guarded, Refusal, Running};
