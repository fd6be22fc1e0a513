//! Matchers: a list of conditions on one item, and an explanation when nothing meets them all.

mod core;
mod fields;
mod mismatch;

pub use self::core::{Item, Matcher};
pub use self::mismatch::Mismatch;
