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
                let dir = dir.display();
                format!("cargo run -q --bin stack -- --isolated {dir} {words}")
            }
        }
    }

    /// A trace in the terminal; of an isolated stack its log lines tell the same story.
    pub fn trace(&self, id: &str) -> String {
        match self {
            Self::Main => format!("just trace {id}"),
            Self::Isolated(_) => self.command("logs gateway"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_the_stack_it_is_for() {
        assert_eq!(Place::Main.command("logs loki"), "just logs loki");
        let own = Place::Isolated("/tmp/x".into());
        assert_eq!(
            own.command("up"),
            "cargo run -q --bin stack -- --isolated /tmp/x up"
        );
    }
}
