//! Which components are part of an instance: what the machine has, and what runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::docker::within;
use crate::instance::Instance;
use crate::process::on_path;
use crate::topology::{Component, Program};

/// The value of a program's variable that leaves the component out.
const NONE: &str = "none";
/// A program that does not print its version within this time has an unknown one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where traces are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceStore {
    /// Tempo itself.
    Tempo,
    /// The directory with the Collector's `traces*.jsonl`: OTLP/JSON, one `TracesData` per line.
    Archive(PathBuf),
}

/// Where log records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogStore {
    /// Loki itself.
    Loki,
    /// The directory with the Collector's `logs*.jsonl`: OTLP/JSON, one `LogsData` per line.
    Archive(PathBuf),
}

impl Instance {
    /// Where traces are kept.
    #[must_use]
    pub fn traces(&self) -> TraceStore {
        match self.has("tempo") {
            true => TraceStore::Tempo,
            false => TraceStore::Archive(self.archive()),
        }
    }

    /// Where log records are kept.
    #[must_use]
    pub fn logs(&self) -> LogStore {
        match self.has("loki") {
            true => LogStore::Loki,
            false => LogStore::Archive(self.archive()),
        }
    }

    fn archive(&self) -> PathBuf {
        match self.docker {
            true => self.archive_mount().join("archive"),
            false => self.data_dir().join("archive"),
        }
    }

    /// The directory that the Collector's container has as its own where it keeps an archive.
    pub(crate) fn archive_mount(&self) -> PathBuf {
        self.data_dir().join("archive-docker")
    }

    /// Whether a component is part of this instance: what a running Collector was started with decides, then whether
    /// the program is there and not `none`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let Ok(component) = self.topology.component(name) else {
            return false;
        };
        let state = self.state().unwrap_or_default();
        let mut others = self.topology.components.iter();
        let replacing = others.find_map(|other| {
            let is_it = other.overlays.iter().any(|overlay| overlay.without == name);
            state.alive(&other.name).filter(|_| is_it)
        });
        match replacing {
            _ if state.alive(name).is_some() => true,
            Some(record) => !record.without.iter().any(|without| without == name),
            None => match self.docker.then(|| self.containers().unwrap_or_default()) {
                // Whoever started them: what an overlay leaves out has no container.
                Some(containers) if !containers.is_empty() => {
                    containers.iter().any(|container| container.service == name)
                }
                _ => self.lack(component).is_none(),
            },
        }
    }

    pub(crate) fn lacks_by_name(&self, name: &str) -> bool {
        self.topology
            .component(name)
            .is_ok_and(|component| self.lack(component).is_some())
    }

    /// Why a component cannot be started here, if so, and what to do.
    pub(crate) fn lack(&self, component: &Component) -> Option<String> {
        if let Some(needed) = &component.needs
            && self.lacks_by_name(needed)
        {
            return Some(format!("it needs {needed}"));
        }
        let variable = component.variable()?;
        let set = self.setting(variable);
        if set == Some(NONE) {
            return Some(format!("{variable}={NONE}"));
        }
        if self.docker || self.program(component).is_some() {
            return None;
        }
        Some(match (set, &component.program) {
            (Some(value), _) => format!("{variable}={value}: there is no such program"),
            (None, Program::Home { .. }) => {
                format!("to have it, name an unpacked one in {variable}")
            }
            (None, _) => format!(
                "to have it, put `{}` on PATH or name it in {variable}",
                component.name
            ),
        })
    }

    fn setting(&self, variable: &str) -> Option<&str> {
        self.environment
            .get(variable)
            .filter(|value| !value.is_empty())
    }

    /// The executable of a component that is not built here, if the machine has it.
    pub(crate) fn program(&self, component: &Component) -> Option<PathBuf> {
        let set = self.setting(component.variable()?);
        let path = match &component.program {
            Program::Path { path, .. } => set.map(PathBuf::from).or_else(|| on_path(path)),
            Program::Home { home, .. } => set.map(|dir| Path::new(dir).join("bin").join(home)),
            Program::Build { .. } | Program::Service => None,
        };
        path.filter(|path| path.is_file())
    }

    /// What it means that a component is missing.
    pub(crate) fn note_missing(&self, component: &Component, reason: &str) {
        let meaning = self.environment.expand(&component.absent);
        let meaning = meaning.unwrap_or_default();
        self.report
            .note(&format!("no {} ({reason}): {meaning}", component.name));
    }

    /// Another version than the pinned one may read its configuration differently.
    pub(crate) fn check_version(&self, component: &Component, program: &Path) {
        let Some(pinned) = component
            .version
            .as_ref()
            .and_then(|name| self.environment.version(name))
        else {
            return;
        };
        let mut command = Command::new(program);
        command.arg("--version");
        let found = within(PATIENCE, command).ok().and_then(|output| {
            let text = [output.stdout, output.stderr].concat();
            version_in(&String::from_utf8_lossy(&text))
        });
        if found.as_deref() != Some(pinned) {
            let found = found.map_or("an unknown version".to_owned(), |found| {
                format!("version {found}")
            });
            let (name, program) = (&component.name, program.display());
            self.report
                .note(&format!("{name}: {program} is {found}, .env has {pinned}"));
        }
    }
}

/// `3.7.6` in `loki, version 3.7.6 (branch: HEAD)`.
fn version_in(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',');
    let mut words = words.map(|word| word.trim_start_matches('v'));
    let is_version =
        |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    words.find(is_version).map(str::to_owned)
}
