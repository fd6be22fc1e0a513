//! A real service as a child process with nothing of the developer's environment in it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::poll::poll;

const LOG_DIR: &str = "SHOP_LOG_DIR";
const DATA_DIR: &str = "SHOP_DATA_DIR";
const LISTEN: &str = "SHOP_LISTEN_ADDR";

/// A running binary in its own process group, killed with everything it started when dropped.
#[derive(Debug)]
pub struct Child {
    process: Mutex<std::process::Child>,
    group: Pid,
    name: String,
    log_dir: PathBuf,
    data_dir: PathBuf,
    scratch: TempDir,
}

/// How a child ended.
#[derive(Debug)]
pub struct Exit {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// All it wrote to standard output.
    pub stdout: String,
    /// All it wrote to standard error.
    pub stderr: String,
    /// All it wrote to its log file.
    pub log_lines: Vec<Json>,
}

impl Child {
    /// Starts `binary` with an environment of exactly `env` and three defaults that keep tests apart:
    /// `SHOP_LISTEN_ADDR=127.0.0.1:0`, and `SHOP_LOG_DIR` and `SHOP_DATA_DIR` in a new temporary directory.
    /// Panics when the binary is missing, with the command that builds it.
    #[track_caller]
    pub fn spawn(binary: &Path, env: &[(&str, String)]) -> Self {
        Self::start(binary, env, None)
    }

    /// As [`Self::spawn`], with standard error going to `stderr` instead of into [`Exit::stderr`].
    /// Panics as it does.
    #[track_caller]
    pub fn spawn_into(binary: &Path, env: &[(&str, String)], stderr: impl Into<Stdio>) -> Self {
        Self::start(binary, env, Some(stderr.into()))
    }

    #[track_caller]
    fn start(binary: &Path, env: &[(&str, String)], stderr: Option<Stdio>) -> Self {
        assert!(
            binary.exists(),
            "{} is missing: run cargo build --workspace first",
            binary.display()
        );
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let directory = |variable: &str, name: &str| {
            let given = env.iter().find(|(key, _)| *key == variable);
            given.map_or_else(|| scratch.path().join(name), |(_, dir)| PathBuf::from(dir))
        };
        let log_dir = directory(LOG_DIR, "log");
        let data_dir = directory(DATA_DIR, "data");
        let output = |name| File::create(scratch.path().join(name)).expect("a file for its output");

        let process = Command::new(binary)
            .env_clear()
            .env(LISTEN, "127.0.0.1:0")
            .env(LOG_DIR, &log_dir)
            .env(DATA_DIR, &data_dir)
            .envs(env.iter().map(|(key, value)| (key, value)))
            .current_dir(scratch.path())
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(stderr.unwrap_or_else(|| output("stderr").into()))
            // A group of its own: a Ctrl-C in the terminal, or a kill of ours, reaches exactly what we mean.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", binary.display()));
        let name = binary.file_name().unwrap_or_default().to_string_lossy();
        Self {
            group: Pid::from_child(&process),
            process: Mutex::new(process),
            name: name.into_owned(),
            log_dir,
            data_dir,
            scratch,
        }
    }

    /// Where it listens, read from the log record `service.listening`.
    /// Panics when it ends before, or never says so; both with its standard error.
    #[track_caller]
    pub fn listening(&self) -> SocketAddr {
        poll(&format!("{} to listen", self.name), || {
            if let Some(status) = self.exit_status() {
                panic!("{} ended with {status}:\n{}", self.name, self.stderr());
            }
            let lines = self.log_lines();
            lines
                .iter()
                .find_map(listening_address)
                .ok_or_else(|| format!("log: {lines:?}\nstandard error: {}", self.stderr()))
        })
    }

    /// The complete lines of its log file so far, oldest first, also of files it rotated away.
    /// Panics when a line is not JSON.
    #[track_caller]
    pub fn log_lines(&self) -> Vec<Json> {
        let mut lines = Vec::new();
        for file in self.log_files() {
            // It may be rotated away between the listing and now; the next call sees it under its new name.
            let text = fs::read(file).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let complete = text.rfind('\n').map_or("", |end| &text[..end]);
            lines.extend(complete.lines().map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| {
                    panic!(
                        "{} logged a line that is not JSON ({error}): {line}",
                        self.name
                    )
                })
            }));
        }
        lines
    }

    /// All it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        self.output("stderr")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process().id()
    }

    /// Its log directory.
    pub fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Asks it to end (SIGTERM to the process alone, as an orchestrator does).
    pub fn terminate(&self) {
        self.if_running(|| kill_process(self.group, Signal::TERM));
    }

    /// Ends it and all it started at once (SIGKILL).
    pub fn kill(&self) {
        self.if_running(|| kill_process_group(self.group, Signal::KILL));
    }

    /// Waits for its end.
    /// Panics when it does not end, with its standard error.
    #[track_caller]
    pub fn wait(self) -> Exit {
        let status = poll(&format!("{} to end", self.name), || {
            self.exit_status()
                .ok_or_else(|| format!("still running; standard error: {}", self.stderr()))
        });
        Exit {
            code: status.code(),
            signal: status.signal(),
            stdout: self.output("stdout"),
            stderr: self.stderr(),
            log_lines: self.log_lines(),
        }
    }

    fn exit_status(&self) -> Option<std::process::ExitStatus> {
        self.process()
            .try_wait()
            .expect("our own child can be waited for")
    }

    fn if_running(&self, signal: impl FnOnce() -> rustix::io::Result<()>) {
        // Once waited for, the number may belong to someone else.
        if self.exit_status().is_none() {
            // It may have ended since: then there is nothing left to tell.
            signal().ok();
        }
    }

    fn process(&self) -> MutexGuard<'_, std::process::Child> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn output(&self, name: &str) -> String {
        let bytes = fs::read(self.scratch.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its log files, oldest first: a higher number behind the name is an older file.
    fn log_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.log_dir).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| self.is_own_log(path))
            .collect();
        files.sort_by_key(|path| std::cmp::Reverse(rotation(path)));
        files
    }

    /// In a directory of its own everything is; in one that a test shares between services, the name decides.
    fn is_own_log(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_private = self.log_dir.starts_with(self.scratch.path());
        name.starts_with("rust_app_")
            && name.contains(".log")
            && (is_private || name.starts_with(&format!("rust_app_{}.log", self.name)))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        // Reaps it, so that a long test run leaves no zombies.
        self.process().wait().ok();
    }
}

fn rotation(path: &Path) -> u32 {
    let number = path.extension().and_then(|end| end.to_str()?.parse().ok());
    number.unwrap_or(0)
}

fn listening_address(line: &Json) -> Option<SocketAddr> {
    if line.get("event.name")? != "service.listening" {
        return None;
    }
    let host = line.get("server.address")?.as_str()?;
    let port = line.get("server.port")?.as_u64()?;
    format!("{host}:{port}").parse().ok()
}
