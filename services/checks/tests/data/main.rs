//! The files of `checks/`: their vocabulary, and golden trees against traces.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod trees;
mod vocabulary;
