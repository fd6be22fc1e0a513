//! What can go wrong, worded for the person who typed the command: what happened, and the remedy.

use std::path::PathBuf;
use std::time::Duration;

use crate::docker::{Lack, Runtime};
use crate::ports;

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the stack could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No directory above the start holds the files of this repository.
    #[error("no .env and collector/config.yaml in {} or above it: run this inside the repository", start.display())]
    NotARepository { start: PathBuf },
    /// A line of `.env` that compose and we would read differently.
    #[error("{}:{line}: expected NAME=value without quotes or spaces, found `{text}`", path.display())]
    EnvironmentFile {
        path: PathBuf,
        line: usize,
        text: String,
    },
    /// `stack.toml` is not what it has to be.
    #[error("{}: {reason}", path.display())]
    Topology { path: PathBuf, reason: String },
    /// A variable that `.env` should have.
    #[error("the variable {name} is missing: .env has it")]
    MissingVariable { name: String },
    /// A port that is none.
    #[error("{name}={value}: expected a port from 1 to 65535")]
    BadPort { name: String, value: String },
    /// Nothing can be built.
    #[error(
        "building `{tool}` needs Go 1.26 or newer, and there is no `go` on PATH: install it (https://go.dev/dl)"
    )]
    GoMissing { tool: &'static str },
    /// A build ended with an error.
    #[error("building `{what}` failed ({status}); the whole output is in {}\n{tail}", log.display())]
    Build {
        what: &'static str,
        status: String,
        log: PathBuf,
        tail: String,
    },
    /// Programs for images hold everything that they need.
    #[error(
        "static binaries cannot be linked here: the C library's static half is missing. Install it (Debian, Ubuntu: libc6-dev; Fedora: glibc-static; the linker's words are in {}), or start with STACK=native",
        log.display()
    )]
    StaticLibraries { log: PathBuf },
    /// `STACK` says neither.
    #[error("STACK={value}: expected `docker` or `native`")]
    UnknownRuntime { value: String },
    /// Docker is wanted and cannot be used.
    #[error("it cannot run on Docker: {lack}. Remedy: {remedy}, or choose STACK=native")]
    Docker { lack: Lack, remedy: &'static str },
    /// Both at once would fight for the same ports.
    #[error("STACK={wanted}, but the stack runs as {running} already: `just down` first")]
    OtherRuntime { wanted: Runtime, running: Runtime },
    /// Both at once would fight for the same ports.
    #[error("the services run {running}, and are wanted {wanted}: `just stop` first")]
    OtherServices {
        running: &'static str,
        wanted: &'static str,
    },
    /// No image, and nothing works without it.
    #[error(
        "the image {image} of {component} is not here and cannot be pulled ({reason}): `just images` makes stand-ins from native binaries"
    )]
    ImageMissing {
        component: String,
        image: String,
        reason: String,
    },
    /// Compose could not do it.
    #[error("docker compose could not {what}; its output is in {}\n{tail}", log.display())]
    Compose {
        what: String,
        log: PathBuf,
        tail: String,
    },
    /// The engine refused something.
    #[error("`docker {command}` failed: {reason}")]
    Engine { command: String, reason: String },
    /// There is no container whose output could be shown.
    #[error("{component} was not started: `just up` or `just run` does that")]
    NotStarted { component: String },
    /// A checkout as Windows wants it.
    #[error(
        "{} has Windows line endings, which the programs here cannot read. Set `git config core.autocrlf input` and check the files out again (.gitattributes asks git for it)",
        path.display()
    )]
    LineEndings { path: PathBuf },
    /// Somebody else listens where a component should.
    #[error(
        "{component} cannot start: port {port} is taken by {holder}. Stop that, or choose another port, as in `{variable}={} just run`: it is remembered until `just down`", other_port(*port)
    )]
    PortTaken {
        component: String,
        port: u16,
        variable: String,
        holder: String,
    },
    /// A component ended instead of becoming ready.
    #[error("{component} ended right after its start ({status}); its output is in {}\n{tail}", log.display())]
    Exited {
        component: String,
        status: String,
        log: PathBuf,
        tail: String,
    },
    /// A component runs and does not answer.
    #[error("{component} is not ready after {} s: {state}; its output is in {}\n{tail}", after.as_secs(), log.display())]
    NotReady {
        component: String,
        after: Duration,
        state: String,
        log: PathBuf,
        tail: String,
    },
    /// A process that outlives SIGKILL: the kernel holds it.
    #[error("{component} (pid {pid}) does not end, not even killed")]
    DoesNotEnd { component: String, pid: i32 },
    /// Another launcher works on the same instance.
    #[error("another `stack` (pid {holder}) is at work here: wait for it, or stop it")]
    Busy { holder: String },
    /// A check or a drill has the instance.
    #[error("{} is in use by pid {holder}: wait for it, or stop it", home.display())]
    Held { home: PathBuf, holder: String },
    /// A name that is no component.
    #[error("there is no component `{name}`; there are {known}")]
    UnknownComponent { name: String, known: String },
    /// A component without a binary on this machine.
    #[error("{component} is not available here: {remedy}")]
    Unavailable {
        component: &'static str,
        remedy: &'static str,
    },
    /// A directory in a shared place that is not ours.
    #[error("{}: {reason}. Remove it, or choose another directory with SHOP_LOG_DIR", path.display())]
    UnsafeDirectory { path: PathBuf, reason: &'static str },
    /// A file of ours that cannot be understood.
    #[error("{} cannot be read as the launcher's state ({reason}): if nothing of the stack runs, remove it", path.display())]
    State { path: PathBuf, reason: String },
    /// The operating system refused something.
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
}

/// A free one that looks like the taken one; the next ones are those of other components.
fn other_port(taken: u16) -> u16 {
    let mut above = taken.checked_add(10_000).unwrap_or(20_000)..=u16::MAX;
    above.find(|port| ports::is_free(*port)).unwrap_or(taken)
}

/// Adds what was tried to an I/O error.
pub(crate) trait IoContext<T> {
    fn context(self, action: &'static str, path: &std::path::Path) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn context(self, action: &'static str, path: &std::path::Path) -> Result<T> {
        self.map_err(|source| Error::Io {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
