//! What must be true of the running shop, as data.
//!
//! The way of a row to its verdict is three files:
//! 1. `checks/*.yaml`: the row, in a small closed vocabulary,
//! 2. `row.rs`: the vocabulary, with what each word means,
//! 3. `verify`'s `check/row.rs`: the backend's answer and the verdict.
//!
//! Around them: `read` reads the files, `fill` puts values into `{variables}`, `drive` sends the requests of `api.yaml`,
//! `tree` compares a trace with a golden tree of `checks/trees/`, `poll` waits and `report` prints one line for each row.

pub mod drive;
pub mod fill;
pub mod poll;
pub mod read;
pub mod report;
pub mod row;
pub mod tree;

pub use drive::{Answer, Driven, Driver};
pub use read::{Checks, Lists};
pub use row::{Amount, Kind, Row, Stage, Texts};
