//! What can go wrong, worded for the person who typed the command: what happened, and what to do.

use std::path::{Path, PathBuf};

use crate::ports;

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the stack could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing can be built.
    #[error(
        "building `{tool}` needs Go 1.26 or newer, and there is no `go` on PATH: install it (https://go.dev/dl)"
    )]
    GoMissing { tool: String },
    /// Another program listens where a component has to.
    #[error(
        "{component} needs port {port}, which is used by {holder}: end that, or choose another port with `{variable}={} just run` (kept until `just down`)",
        other_port(*port)
    )]
    PortTaken {
        component: String,
        port: u16,
        holder: String,
        variable: String,
    },
    /// Another launcher changes the instance, or a check or a drill uses it.
    #[error("{what} is in use by pid {holder}: wait for it, or stop it")]
    Busy { what: String, holder: String },
    /// The operating system refused something.
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    /// Everything that no caller distinguishes.
    #[error("{0}")]
    Failed(String),
}

/// An [`Error::Failed`] from a format string.
macro_rules! failed {
    ($($text:tt)*) => { $crate::error::Error::Failed(format!($($text)*)) };
}
pub(crate) use failed;

/// A free port similar to the taken one; the next numbers belong to other components.
fn other_port(taken: u16) -> u16 {
    let mut above = taken.checked_add(10_000).unwrap_or(20_000)..=u16::MAX;
    above.find(|port| ports::is_free(*port)).unwrap_or(taken)
}

/// Adds what was tried to an I/O error.
pub(crate) trait IoContext<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
