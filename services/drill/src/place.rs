//! The commands to type, for the main stack or for an isolated one.

use std::path::PathBuf;

/// Which stack is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Main,
    Isolated(PathBuf),
}

impl Place {
    /// `just logs loki` for `logs loki`; an isolated stack has no recipes.
    pub fn command(&self, words: &str) -> String {
        match self {
            Self::Main => format!("just {words}"),
            Self::Isolated(dir) => {
                let (program, subcommand) = match words.starts_with("trace ") {
                    true => ("verify", words),
                    false => ("stack", words),
                };
                let dir = dir.display();
                format!("cargo run -q --bin {program} -- --isolated {dir} {subcommand}")
            }
        }
    }
}
