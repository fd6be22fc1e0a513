//! What an instance remembers between two commands: its processes, and the variables that they were started with.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext as _, Result, failed};
use crate::launch::Hashes;
use crate::process::Identity;

/// The file `state.json` of an instance.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// Of the machine's start: pids and process groups of an earlier one belong to somebody else now.
    #[serde(default)]
    boot: String,
    /// What the last start used in place of `.env`; forgotten by `down`.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
    /// The stack was started as containers.
    #[serde(default)]
    pub(crate) docker: bool,
    /// The components that were started and not stopped since, by name.
    #[serde(default)]
    components: BTreeMap<String, Record>,
    #[serde(skip)]
    path: PathBuf,
}

/// One of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) identity: Identity,
    /// What it was started with. Empty while it is being stopped: if that is interrupted, the next start finishes it.
    #[serde(default)]
    pub(crate) hashes: Hashes,
    /// The missing components that it was started to replace.
    #[serde(default)]
    pub(crate) without: Vec<String>,
    /// Where its own lines begin in its log.
    pub(crate) log_offset: u64,
}

impl State {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let mut state = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice::<Self>(&bytes).map_err(|error| {
                failed!(
                    "{} cannot be read as the launcher's state ({error}): if nothing of the stack runs, remove it",
                    path.display()
                )
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(source) => return Err(source).context("read", path),
        };
        if state.boot != boot.trim() {
            state.components.clear();
            boot.trim().clone_into(&mut state.boot);
        }
        path.clone_into(&mut state.path);
        Ok(state)
    }

    /// The component's record, if its process is alive.
    pub(crate) fn alive(&self, name: &str) -> Option<&Record> {
        self.last(name).filter(|record| record.identity.is_alive())
    }

    /// The component's record, also if its process has ended since.
    pub(crate) fn last(&self, name: &str) -> Option<&Record> {
        self.components.get(name)
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
                record.hashes = Hashes::default();
            }
        }
        self.write()
    }

    pub(crate) fn remove(&mut self, names: &[&str]) -> Result<()> {
        self.components.retain(|name, _| !names.contains(&&**name));
        self.write()
    }

    /// Whole or not at all: a reader (`status`) takes no lock.
    pub(crate) fn write(&self) -> Result<()> {
        let next = self.path.with_extension("json.next");
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| failed!("{}: {error}", next.display()))?;
        fs::write(&next, text).context("write", &next)?;
        fs::rename(&next, &self.path).context("write", &self.path)
    }
}

/// Held by the one process that may change something; the kernel releases it when that process ends, however.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// At once, or an error that names the process that has it.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let mut file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).context("read", path)?;
                let what = path.parent().unwrap_or(path).display().to_string();
                return Err(Error::Busy { what, holder });
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

    /// Waits until it is free.
    pub(crate) fn wait(path: &Path) -> Result<Self> {
        let file = open(path)?;
        file.lock().context("lock", path)?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    /// Closing is not enough: a child that another thread is starting has the descriptor too, until its `exec`.
    fn drop(&mut self) {
        drop(self.0.unlock());
    }
}

fn open(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).context("open", path)
}
