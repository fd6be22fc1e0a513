//! A build that runs for seconds or minutes: watched, told about, ended when nobody wants it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, PipeReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::error::{Error, IoContext as _, Result};
use crate::process::tail;
pub(crate) use crate::report::Work;
use crate::report::{Event, Report};
use crate::wait;

/// One command and where its output goes.
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) what: &'static str,
    pub(crate) command: Command,
    pub(crate) log: PathBuf,
}

impl Job {
    /// Runs it to its end. It stays in the launcher's process group, so that a Ctrl-C ends both.
    pub(crate) fn run(mut self, report: &dyn Report, cancelled: &AtomicBool) -> Result<()> {
        let started = Instant::now();
        let log = File::create(&self.log).context("create", &self.log)?;
        let (output, input) = std::io::pipe().context("open a pipe for", &self.log)?;
        let program = PathBuf::from(self.command.get_program());
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(input.try_clone().context("open a pipe for", &self.log)?)
            .stderr(input)
            .spawn()
            .context("start", &program)?;
        // The command holds the pipe's other end: without this the reader below would wait for us.
        drop(self.command);
        let last = Mutex::new(String::new());
        let status = std::thread::scope(|scope| {
            scope.spawn(|| copy_lines(output, log, &last));
            loop {
                if cancelled.load(Ordering::Relaxed) {
                    // Already ended is as good.
                    drop(child.kill());
                }
                if let Some(status) = child.try_wait().context("wait for", &program)? {
                    return Ok(status);
                }
                let detail = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
                report.event(&Event::Working {
                    work: self.work,
                    what: self.what,
                    elapsed: started.elapsed(),
                    detail: &detail,
                });
                wait::pause();
            }
        })?;
        if status.success() {
            report.event(&Event::Worked {
                work: self.work,
                what: self.what,
                elapsed: started.elapsed(),
            });
            return Ok(());
        }
        Err(failure(self.what, status.to_string(), &self.log))
    }
}

fn failure(what: &'static str, status: String, log: &Path) -> Error {
    Error::Build {
        what,
        status,
        log: log.to_owned(),
        tail: tail(log, 0, 15),
    }
}

fn copy_lines(output: PipeReader, mut log: File, last: &Mutex<String>) {
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        let text = String::from_utf8_lossy(&line);
        // A full disk loses the log of the build, not the build.
        drop(writeln!(log, "{text}"));
        text.trim()
            .clone_into(&mut last.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Silent;

    fn shell(dir: &Path, script: &str) -> Job {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Job {
            work: Work::Build,
            what: "example",
            command,
            log: dir.join("build.log"),
        }
    }

    #[test]
    fn a_failed_build_shows_its_last_lines_and_where_the_rest_is() {
        let dir = tempfile::tempdir().unwrap();
        let job = shell(
            dir.path(),
            "echo compiling; echo 'undefined: x' >&2; exit 3",
        );
        let error = job
            .run(&Silent, &AtomicBool::new(false))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("undefined: x") && error.contains("build.log") && error.contains('3'),
            "{error}"
        );
    }

    #[test]
    fn a_build_that_nobody_wants_any_more_ends() {
        let dir = tempfile::tempdir().unwrap();
        let job = shell(dir.path(), "exec /bin/sleep 600");
        let error = job
            .run(&Silent, &AtomicBool::new(true))
            .unwrap_err()
            .to_string();
        assert!(error.contains("signal"), "{error}");
    }

    #[test]
    fn progress_is_told_while_it_runs() {
        struct Seen(Mutex<Vec<String>>);
        impl Report for Seen {
            fn event(&self, event: &Event<'_>) {
                if let Event::Working { detail, .. } = event {
                    self.0.lock().unwrap().push((*detail).to_owned());
                }
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let seen = Seen(Mutex::default());
        // Ends when its progress was seen: it waits for a line from this test.
        let fifo = dir.path().join("fifo");
        assert!(
            Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        let script = format!("echo package one; read line < {}", fifo.display());
        std::thread::scope(|scope| {
            let job = shell(dir.path(), &script);
            let running = scope.spawn(|| job.run(&seen, &AtomicBool::new(false)));
            let told = wait::until(std::time::Duration::from_secs(20), || {
                seen.0
                    .lock()
                    .unwrap()
                    .iter()
                    .any(|detail| detail == "package one")
            });
            std::fs::write(&fifo, "seen\n").unwrap();
            running.join().unwrap().unwrap();
            assert!(told);
        });
    }
}
