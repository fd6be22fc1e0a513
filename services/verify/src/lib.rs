//! Drives the shop through its public API and asks the real backends whether every claim holds.
//!
//! `expectations` is the table of claims, in the words of `claim`; `claims` adds those that the shipped files make.
//! `run` drives, asks and reports; `check` judges one row; `backend` asks Tempo, Loki, Prometheus, the Collector and its
//! archive; `selftest` breaks a stack to see rows fail.

pub mod backend;
pub mod browser;
pub mod check;
pub mod claim;
pub mod claims;
pub mod cli;
pub mod drive;
pub mod expectations;
pub mod parity;
pub mod poll;
pub mod report;
pub mod run;
pub mod selftest;
pub mod show;
pub mod sockets;
pub mod survival;
pub mod target;
pub mod trace;
pub mod view;
