//! `just doctor` follows one order hop by hop; `just drill NAME` breaks an isolated stack, so that finding the cause can be
//! practised.
//!
//! A drill is its page, `docs/drills/NAME.md`: [`page`] reads it, [`run`] does what it says, with [`traffic`] meanwhile.
//! Faults are applied by `verify::breaks`.

pub mod cli;
pub mod doctor;
pub mod orders;
pub mod page;
pub mod place;
pub mod queries;
pub mod rules;
pub mod run;
pub mod shop;
pub mod traffic;
