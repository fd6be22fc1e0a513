//! A build that runs for seconds or minutes: its progress is reported, and it is killed when no one wants its result.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, PipeReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::console::Report;
use crate::error::{IoContext as _, Result, failed};
use crate::process::{kill_tree, tail};
use crate::wait;

/// How long the last lines may take to come out of the pipe after the command's end: a process that it has left behind
/// may hold the pipe.
const LAST_LINES: Duration = Duration::from_secs(2);

/// One command and where its output goes.
pub(crate) struct Job {
    pub(crate) what: String,
    pub(crate) command: Command,
    pub(crate) log: PathBuf,
}

impl Job {
    /// Runs it to its end and returns its standard output if `is_answer`; otherwise that is progress, as standard error
    /// is. It stays in the launcher's process group, so that a Ctrl-C ends both.
    pub(crate) fn run(
        mut self,
        is_answer: bool,
        report: &dyn Report,
        cancelled: &AtomicBool,
    ) -> Result<String> {
        let started = Instant::now();
        let log = File::create(&self.log).context("create", &self.log)?;
        let (output, input) = std::io::pipe().context("open a pipe for", &self.log)?;
        let program = PathBuf::from(self.command.get_program());
        let place = self.log.with_extension("json");
        let stdout: Stdio = match is_answer {
            true => File::create(&place).context("create", &place)?.into(),
            false => input
                .try_clone()
                .context("open a pipe for", &self.log)?
                .into(),
        };
        self.command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(input);
        let mut child = self.command.spawn().context("start", &program)?;
        // The command holds the pipe's other end: without this the reader below would wait for us.
        drop(self.command);
        let last = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&last);
        let reader = thread::spawn(move || copy_lines(output, log, &seen));
        let status = loop {
            if cancelled.load(Ordering::Relaxed) {
                // Compilers that it has started would go on for minutes.
                kill_tree(child.id());
            }
            if let Some(status) = child.try_wait().context("wait for", &program)? {
                break status;
            }
            let detail = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            report.building(&self.what, started.elapsed(), &detail);
            wait::pause();
        };
        wait::until(LAST_LINES, || reader.is_finished());
        report.built(&self.what, started.elapsed());
        match status.success() {
            true if is_answer => fs::read_to_string(&place).context("read", &place),
            true => Ok(String::new()),
            false => Err(failed!(
                "building `{}` failed ({status}); the whole output is in {}\n{}",
                self.what,
                self.log.display(),
                tail(&self.log, 0, 15)
            )),
        }
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
    use crate::console::Silent;
    use crate::process::Identity;

    fn shell(dir: &std::path::Path, script: &str) -> Job {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).current_dir(dir);
        Job {
            what: "example".to_owned(),
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
            .run(false, &Silent, &AtomicBool::new(false))
            .unwrap_err()
            .to_string();
        for part in ["undefined: x", "build.log", "exit status: 3"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn an_answer_is_kept_apart_from_progress() {
        let dir = tempfile::tempdir().unwrap();
        let job = shell(dir.path(), "echo answer; echo progress >&2");
        assert_eq!(
            job.run(true, &Silent, &AtomicBool::new(false)).unwrap(),
            "answer\n"
        );
        assert_eq!(
            fs::read_to_string(dir.path().join("build.log")).unwrap(),
            "progress\n"
        );
    }

    #[test]
    fn what_a_cancelled_build_has_started_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let cancelled = AtomicBool::new(false);
        let pid = || {
            fs::read_to_string(dir.path().join("pid"))
                .ok()?
                .trim()
                .parse()
                .ok()
        };
        // Its grandchild holds the pipe.
        let job = shell(dir.path(), "/bin/sleep 60 & echo $! > pid; wait");
        thread::scope(|scope| {
            let running = scope.spawn(|| job.run(false, &Silent, &cancelled));
            assert!(wait::until(Duration::from_secs(20), || pid().is_some()));
            let grandchild = Identity::of(pid().unwrap()).unwrap();
            cancelled.store(true, Ordering::Relaxed);
            assert!(
                running
                    .join()
                    .unwrap()
                    .unwrap_err()
                    .to_string()
                    .contains("signal")
            );
            assert!(wait::until(Duration::from_secs(5), || !grandchild.is_alive()));
        });
    }
}
