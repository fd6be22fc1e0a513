//! Matchers: a list of conditions on one item, and an explanation when nothing meets them all.

mod core;
mod log;
mod mismatch;
mod point;
mod span;

pub use self::core::{Item, Matcher};
pub use self::mismatch::Mismatch;
