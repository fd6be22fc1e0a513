//! What a person sees of a trace in the terminal.

mod waterfall;

pub use waterfall::{Remark, waterfall};
