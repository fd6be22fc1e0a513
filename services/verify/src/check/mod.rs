//! Judges one row against the running system: one look, one verdict.

mod documented;
mod links;
mod logs;
mod metrics;
mod pipeline;
mod scene;
mod traces;

pub(crate) use metrics::{epoch_seconds, live};
pub use scene::{Baseline, Cache, Scene};
pub(crate) use traces::one_tree;
