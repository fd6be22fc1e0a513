//! Judges one row against the running system: one look, one verdict.
//!
//! `row` judges the rows of `checks/*.yaml`; the other files are the comparisons that are written in Rust.

mod baseline;
mod collector;
mod documented;
mod exemplars;
mod logs;
mod row;
mod scene;
mod whole;

pub use baseline::Baseline;
pub(crate) use baseline::{epoch_seconds, live};
pub use scene::{Cache, Scene};
pub(crate) use whole::one_tree;
