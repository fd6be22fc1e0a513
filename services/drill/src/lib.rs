//! The doctor follows one order hop by hop; a drill breaks a stack of its own, so that finding the cause can be practised.
//!
//! `doctor` asks the running stack, any of its runtimes, through public interfaces alone. Everything that breaks something
//! does so on a `bench`: an isolated native stack.

pub mod bench;
pub mod cli;
pub mod doctor;
pub mod drills;
pub mod place;
pub mod shop;
