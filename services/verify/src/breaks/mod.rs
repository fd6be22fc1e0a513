//! Breaks a stack, or a copy of the shipped files, and restores it: the one engine of drills, `just doctor`'s check and
//! the last part of `just verify`.
//!
//! [`Fault`] says in YAML what is broken, [`Plan`] what a drill expects of it. [`Bench`] is an isolated stack, [`Broken`] a fault on it, [`Overlay`] a copy of
//! the shipped files with changes. [`mod@mutations`] reads `checks/mutations.yaml`: change, rows that must fail, rows that must
//! still pass.

mod bench;
mod broken;
mod fault;
mod link;
pub mod mutations;
mod overlay;
mod plan;

pub use bench::Bench;
pub use broken::Broken;
pub use fault::{Fault, Replacement, SlowLink, time};
pub use mutations::{Mutation, mutations, rows};
pub use overlay::Overlay;
pub use plan::{AlertPlan, Load, Plan};
