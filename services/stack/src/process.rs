//! Processes that outlive the launcher: started in a group of their own, recognised again later, stopped whole.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::error::{IoContext as _, Result};
use crate::wait;

/// One process, told from a later one that was given the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: i32,
    /// Clock ticks between the machine's start and the process's.
    pub started: u64,
    pub executable: PathBuf,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Launch {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// All of it: nothing is inherited.
    pub environment: BTreeMap<String, OsString>,
    pub directory: PathBuf,
    /// Gets stdout and stderr, appended.
    pub log: PathBuf,
}

/// A process that this launcher started.
#[derive(Debug)]
pub struct Started {
    pub identity: Identity,
    /// Where its own lines begin in the log.
    pub log_offset: u64,
    exit: Arc<Mutex<Option<ExitStatus>>>,
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    WasGone,
    Ended,
    /// It did not end by itself in its time.
    Killed,
    /// It is still there: the kernel holds it.
    Never,
}

/// A log larger than this is put aside at the next start; a file that a running process holds cannot be turned.
const LARGE_LOG: u64 = 32 << 20;

impl Launch {
    /// Starts it in a process group of its own, so that a Ctrl-C for the launcher does not reach it.
    pub fn start(&self) -> Result<Started> {
        let size = fs::metadata(&self.log).map_or(0, |m| m.len());
        if size > LARGE_LOG {
            fs::rename(&self.log, self.log.with_extension("log.1")).context("rename", &self.log)?;
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .context("open", &self.log)?;
        let log_offset = log.metadata().context("read", &self.log)?.len();
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("open", &self.log)?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("start", &self.program)?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        // One that has ended already has no executable any more, and is reported by `exit`.
        let identity = Identity::of(pid).unwrap_or(Identity {
            pid,
            started: 0,
            executable: self.program.clone(),
        });
        let exit = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&exit);
        // Reaps it: a dead child of a launcher that lives on (a drill) would stay in the table as a zombie.
        std::thread::spawn(move || {
            if let Ok(status) = child.wait() {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
            }
        });
        Ok(Started {
            identity,
            log_offset,
            exit,
        })
    }
}

// === impl Started ===

impl Started {
    /// Its identity now: a script that replaced itself by a program has another executable than it began with.
    #[must_use]
    pub fn current(&self) -> Identity {
        // Unless it was reaped, nobody else can have its pid.
        let now = Identity::of(self.identity.pid).filter(|_| self.exit().is_none());
        now.unwrap_or_else(|| self.identity.clone())
    }

    /// The status, once it has ended.
    #[must_use]
    pub fn exit(&self) -> Option<ExitStatus> {
        *self.exit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Identity ===

impl Identity {
    /// Of a process that runs now.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let process = procfs::process::Process::new(pid).ok()?;
        let stat = process.stat().ok()?;
        let executable = process.exe().ok()?;
        (stat.state != 'Z').then(|| Self {
            pid,
            started: stat.starttime,
            executable: undeleted(&executable),
        })
    }

    /// Whether exactly this process still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now == *self)
    }

    /// Resident memory in bytes.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        let stat = procfs::process::Process::new(self.pid).ok()?.stat().ok()?;
        Some(stat.rss * procfs::page_size())
    }

    /// Whether it, or a child that it has left behind, still runs.
    #[must_use]
    pub fn has_processes(&self) -> bool {
        !self.group().is_empty()
    }

    /// SIGTERM to its group, time to end, then SIGKILL to what is left of the group.
    pub fn stop(&self, grace: Duration) -> Stopped {
        let group = self.group();
        if group.is_empty() {
            return Stopped::WasGone;
        }
        for member in &group {
            member.signal(Signal::TERM);
        }
        if wait::until(grace, || group.iter().all(|member| !member.is_alive())) {
            return Stopped::Ended;
        }
        self.kill()
    }

    /// SIGKILL to its group, at once, as a crash would end it.
    pub fn kill(&self) -> Stopped {
        let mut group = self.group();
        if group.is_empty() {
            return Stopped::WasGone;
        }
        // Looked up again and again: a member may start another one while it is being killed.
        let all_gone = wait::until(Duration::from_secs(10), || {
            group.extend(self.group());
            group.retain(Self::is_alive);
            for member in &group {
                member.signal(Signal::KILL);
            }
            group.is_empty()
        });
        if all_gone {
            Stopped::Killed
        } else {
            Stopped::Never
        }
    }

    /// The processes of its group, also when it has ended itself and left children behind.
    ///
    /// The kernel gives a group's number to nobody while the group has a member. So the group is ours, unless the
    /// leader's pid belongs to another process by now.
    fn group(&self) -> Vec<Self> {
        if Self::of(self.pid).is_some_and(|leader| leader != *self) {
            return Vec::new();
        }
        let Ok(processes) = procfs::process::all_processes() else {
            return Self::of(self.pid).into_iter().collect();
        };
        let is_member = |process: &procfs::process::Process| {
            process
                .stat()
                .is_ok_and(|stat| stat.pgrp == self.pid && stat.starttime >= self.started)
        };
        processes
            .flatten()
            .filter(is_member)
            .filter_map(|process| Self::of(process.pid))
            .collect()
    }

    /// By a descriptor that is opened first and checked then, so that the signal cannot reach a later owner of the pid.
    fn signal(&self, signal: Signal) -> bool {
        let descriptor =
            Pid::from_raw(self.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        descriptor.is_some_and(|descriptor| {
            self.is_alive() && pidfd_send_signal(descriptor, signal).is_ok()
        })
    }
}

/// SIGKILL to a child of ours and to everything that it has started. They are halted first, so that none starts another
/// one meanwhile. For what has to share our process group, as a Ctrl-C shall reach it too.
pub(crate) fn kill_tree(child: u32) {
    let root = i32::try_from(child).ok().and_then(Identity::of);
    let mut tree = Vec::from_iter(root);
    let mut halted = 0;
    while halted < tree.len() {
        for member in &tree[halted..] {
            member.signal(Signal::STOP);
        }
        halted = tree.len();
        let is_known = |tree: &[Identity], pid| tree.iter().any(|member| member.pid == pid);
        for process in procfs::process::all_processes().into_iter().flatten() {
            if let Ok(stat) = process.and_then(|process| process.stat())
                && is_known(&tree, stat.ppid)
                && !is_known(&tree, stat.pid)
            {
                tree.extend(Identity::of(stat.pid));
            }
        }
    }
    for member in &tree {
        member.signal(Signal::KILL);
    }
}

/// A rebuilt executable is shown with this suffix while the old one still runs.
fn undeleted(executable: &Path) -> PathBuf {
    let text = executable.to_string_lossy();
    text.strip_suffix(" (deleted)")
        .map_or_else(|| executable.to_owned(), PathBuf::from)
}

/// Where the shell would find a program.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
}

/// The last lines of a log, from `offset` on.
#[must_use]
pub fn tail(log: &Path, offset: u64, lines: usize) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let own = &bytes[usize::try_from(offset).unwrap_or(0).min(bytes.len())..];
    let text = String::from_utf8_lossy(own);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
