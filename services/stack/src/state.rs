//! What an instance remembers between two commands: which processes are its own.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext as _, Result};
use crate::process::Identity;
use crate::setup::Setup;

/// The components that were started and not stopped since, by name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// Pids and process groups mean something until the machine starts again, and are somebody else's then.
    #[serde(default)]
    boot: String,
    components: BTreeMap<String, Record>,
    /// What the shell that started something had set, for later commands of other shells.
    #[serde(default)]
    variables: BTreeMap<String, String>,
    /// What containers were started with, by their ids.
    #[serde(default)]
    containers: BTreeMap<String, Setup>,
    #[serde(skip)]
    path: PathBuf,
}

/// One of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) identity: Identity,
    /// What was started; the executable is something else if that was a script.
    #[serde(default)]
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    #[serde(default)]
    pub(crate) setup: Setup,
    pub(crate) log_offset: u64,
    /// It was told to end. If the launcher was interrupted then, the next one waits for it.
    pub(crate) is_stopping: bool,
}

impl State {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::read_after(path, &current_boot())
    }

    fn read_after(path: &Path, boot: &str) -> Result<Self> {
        let mut state = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice::<Self>(&bytes).map_err(|error| Error::State {
                path: path.to_owned(),
                reason: error.to_string(),
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(source) => return Err(source).context("read", path),
        };
        // One of an earlier version has none.
        let is_known = !state.boot.is_empty() && !boot.is_empty();
        if is_known && state.boot != boot {
            state.components.clear();
        }
        boot.clone_into(&mut state.boot);
        path.clone_into(&mut state.path);
        Ok(state)
    }

    /// The component's record, if its process is alive.
    pub(crate) fn alive(&self, name: &str) -> Option<&Record> {
        self.components
            .get(name)
            .filter(|record| record.identity.is_alive())
    }

    /// The component's record, also if its process has ended since.
    pub(crate) fn last(&self, name: &str) -> Option<&Record> {
        self.components.get(name)
    }

    /// What is kept until `forget`.
    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Keeps variables; `None` is one that is as `.env` has it again.
    pub(crate) fn keep<'a>(
        &mut self,
        variables: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<()> {
        for (name, value) in variables {
            match value {
                Some(value) => self.variables.insert(name.to_owned(), value.to_owned()),
                None => self.variables.remove(name),
            };
        }
        self.write()
    }

    pub(crate) fn setup_of_container(&self, id: &str) -> Option<&Setup> {
        self.containers.get(id)
    }

    /// Those that were started now; of the others, those that are still there.
    pub(crate) fn keep_containers(
        &mut self,
        started: BTreeMap<String, Setup>,
        is_there: impl Fn(&str) -> bool,
    ) -> Result<()> {
        self.containers.retain(|id, _| is_there(id));
        self.containers.extend(started);
        self.write()
    }

    /// Everything but the processes.
    pub(crate) fn forget(&mut self) -> Result<()> {
        self.variables.clear();
        self.containers.clear();
        self.write()
    }

    pub(crate) fn insert(&mut self, name: &str, record: Record) -> Result<()> {
        self.components.insert(name.to_owned(), record);
        self.write()
    }

    /// Keeps a changed identity of a process that is known to be the same.
    pub(crate) fn recognise(&mut self, name: &str, identity: Identity) -> Result<()> {
        match self.components.get_mut(name) {
            Some(record) if record.identity != identity => record.identity = identity,
            _ => return Ok(()),
        }
        self.write()
    }

    pub(crate) fn mark_stopping(&mut self, names: &[&str]) -> Result<()> {
        for name in names {
            if let Some(record) = self.components.get_mut(*name) {
                record.is_stopping = true;
            }
        }
        self.write()
    }

    pub(crate) fn remove(&mut self, names: &[&str]) -> Result<()> {
        for name in names {
            self.components.remove(*name);
        }
        self.write()
    }

    /// Whole or not at all: a reader (`status`) takes no lock.
    fn write(&self) -> Result<()> {
        let next = self.path.with_extension("json.next");
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::State {
            path: next.clone(),
            reason: error.to_string(),
        })?;
        fs::write(&next, text).context("write", &next)?;
        fs::rename(&next, &self.path).context("write", &self.path)
    }
}

/// Held by the one launcher that may change an instance; the kernel gives it back when that one ends, however.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// At once, or an error that names who has it.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let mut file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).context("read", path)?;
                return Err(Error::Busy { holder });
            }
            Err(TryLockError::Error(source)) => return Err(source).context("lock", path),
        }
        // Only a name for others to read, and no reason not to stop something on a full disk.
        drop(
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| write!(file, "{}", std::process::id())),
        );
        Ok(Self(file))
    }

    /// Waits for whoever has it.
    pub(crate) fn wait(path: &Path) -> Result<Self> {
        let file = open(path)?;
        file.lock().context("lock", path)?;
        Ok(Self(file))
    }
}

impl Record {
    /// Of the Collector: whether it was started as the one who keeps the traces.
    pub(crate) fn keeps_archive(&self) -> bool {
        let mut arguments = self.arguments.iter();
        arguments.any(|argument| argument.ends_with("/archive-traces.yaml"))
    }
}

impl Drop for Lock {
    /// Closing is not enough: a child that another thread is starting has the descriptor too, until it is the child.
    fn drop(&mut self) {
        // Only a descriptor that is none could fail.
        drop(self.0.unlock());
    }
}

/// A name for the time since the machine was started; nothing where the kernel does not tell.
fn current_boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

fn open(path: &Path) -> Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .context("open", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_identity() -> Identity {
        Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap()
    }

    fn record(identity: Identity) -> Record {
        Record {
            identity,
            program: "/bin/loki".into(),
            arguments: vec!["--x".into()],
            setup: Setup::default(),
            log_offset: 7,
            is_stopping: false,
        }
    }

    #[test]
    fn what_is_written_is_found_by_the_next_command() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let mut state = State::read(&path).unwrap();
        state.insert("loki", record(own_identity())).unwrap();
        let again = State::read(&path).unwrap();
        assert_eq!(again.alive("loki").unwrap().log_offset, 7);
        state.remove(&["loki"]).unwrap();
        assert!(State::read(&path).unwrap().last("loki").is_none());
    }

    #[test]
    fn a_pid_that_was_given_to_another_process_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::read(&dir.path().join("state.json")).unwrap();
        let ours = own_identity();
        let earlier = Identity {
            started: ours.started - 1,
            ..ours.clone()
        };
        let other_program = Identity {
            executable: "/bin/other".into(),
            ..ours
        };
        for identity in [earlier, other_program] {
            state.insert("loki", record(identity)).unwrap();
            assert!(state.alive("loki").is_none());
            assert!(state.last("loki").is_some());
        }
    }

    #[test]
    fn processes_of_before_the_machine_started_are_forgotten_and_what_was_set_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let mut state = State::read_after(&path, "yesterday").unwrap();
        state.insert("loki", record(own_identity())).unwrap();
        state.keep([("LOKI_PORT", Some("4100"))]).unwrap();
        let same = State::read_after(&path, "yesterday").unwrap();
        assert!(same.alive("loki").is_some());
        let today = State::read_after(&path, "today").unwrap();
        assert!(
            today.last("loki").is_none(),
            "a group of its number may be another"
        );
        assert_eq!(today.variables()["LOKI_PORT"], "4100");
        assert!(!current_boot().is_empty());
    }

    #[test]
    fn a_broken_state_file_is_an_error_with_its_path_and_not_an_empty_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        fs::write(&path, "{").unwrap();
        assert!(
            State::read(&path)
                .unwrap_err()
                .to_string()
                .contains("state.json")
        );
    }

    #[test]
    fn a_second_launcher_is_refused_with_the_pid_of_the_first_until_that_one_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(&path).unwrap();
        let refused = Lock::take(&path).unwrap_err().to_string();
        assert!(
            refused.contains(&std::process::id().to_string()),
            "{refused}"
        );
        // A child in its start, between fork and exec.
        let _inherited = first.0.try_clone().unwrap();
        drop(first);
        Lock::take(&path).unwrap();
    }
}
