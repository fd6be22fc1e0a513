//! Every name that leaves a process of the shop, once.
//!
//! Code uses these constants; `TELEMETRY.md` tells people the same names with their meaning, and a test compares the two in both
//! directions, so that neither can change alone. A dashboard, an alert or a query outside this repository may rely on them.

pub mod attributes;
pub mod events;
pub mod metrics;
pub mod spans;

/// Declares one constant for each name, and `ALL` with all of them.
macro_rules! names {
    ($($(#[$doc:meta])* $constant:ident = $name:literal;)*) => {
        $($(#[$doc])* pub const $constant: &str = $name;)*

        /// Every name of this module.
        pub const ALL: &[&str] = &[$($constant),*];
    };
}
use names;
