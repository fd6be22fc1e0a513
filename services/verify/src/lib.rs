//! Drives the shop through its public API and asks the real backends whether every row holds.
//!
//! `expectations` lists the rows of `checks/*.yaml` and the comparisons; `claims` adds those that the shipped files make.
//! `run` drives, asks and reports; `check` judges one row; `backend` asks Tempo, Loki, Prometheus, the Collector and its
//! archive; `breaks` changes files and breaks a stack to see rows fail.

pub mod backend;
pub mod breaks;
pub mod browser;
pub mod check;
pub mod claim;
pub mod claims;
pub mod cli;
pub mod expectations;
pub mod parity;
pub mod run;
pub mod show;
pub mod sockets;
pub mod target;
pub mod trace;
pub mod view;

pub use checks::{poll, report};
