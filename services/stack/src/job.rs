//! A build that runs for seconds or minutes: watched, told about, ended when nobody wants it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, PipeReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, IoContext as _, Result};
use crate::process::{kill_tree, tail};
pub(crate) use crate::report::Work;
use crate::report::{Event, Report};
use crate::wait;

/// How long the last lines may take to come out of the pipe after the command's end. Something that it has left behind
/// may hold the pipe for ever.
const LAST_LINES: Duration = Duration::from_secs(2);

/// One command and where its output goes.
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) what: &'static str,
    pub(crate) command: Command,
    pub(crate) log: PathBuf,
}

impl Job {
    /// Runs it to its end. It stays in the launcher's process group, so that a Ctrl-C ends both.
    pub(crate) fn run(self, report: &dyn Report, cancelled: &AtomicBool) -> Result<()> {
        self.watch(None, report, cancelled)
    }

    /// The same for a command whose standard output is an answer to us and no progress.
    pub(crate) fn answer(self, report: &dyn Report, cancelled: &AtomicBool) -> Result<String> {
        let place = self.log.with_extension("json");
        let file = File::create(&place).context("create", &place)?;
        self.watch(Some(file), report, cancelled)?;
        fs::read_to_string(&place).context("read", &place)
    }

    fn watch(
        mut self,
        answer: Option<File>,
        report: &dyn Report,
        cancelled: &AtomicBool,
    ) -> Result<()> {
        let started = Instant::now();
        let log = File::create(&self.log).context("create", &self.log)?;
        let (output, input) = std::io::pipe().context("open a pipe for", &self.log)?;
        let program = PathBuf::from(self.command.get_program());
        let stdout = match answer {
            Some(file) => Stdio::from(file),
            None => input
                .try_clone()
                .context("open a pipe for", &self.log)?
                .into(),
        };
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(input)
            .spawn()
            .context("start", &program)?;
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
            report.event(&Event::Working {
                work: self.work,
                what: self.what,
                elapsed: started.elapsed(),
                detail: &detail,
            });
            wait::pause();
        };
        wait::until(LAST_LINES, || reader.is_finished());
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
    use crate::process::Identity;
    use crate::report::Silent;

    fn shell(dir: &Path, script: &str) -> Job {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).current_dir(dir);
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
    fn what_a_cancelled_build_has_started_ends_too_and_the_end_is_told_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let cancelled = AtomicBool::new(false);
        let pid = || {
            let text = fs::read_to_string(dir.path().join("pid")).ok()?;
            text.trim().parse().ok()
        };
        // Its grandchild holds the pipe.
        let job = shell(dir.path(), "/bin/sleep 60 & echo $! > pid; wait");
        thread::scope(|scope| {
            let running = scope.spawn(|| job.run(&Silent, &cancelled));
            assert!(wait::until(Duration::from_secs(20), || pid().is_some()));
            let grandchild = Identity::of(pid().unwrap()).unwrap();
            cancelled.store(true, Ordering::Relaxed);
            let since = Instant::now();
            let error = running.join().unwrap().unwrap_err().to_string();
            let after = since.elapsed();
            assert!(error.contains("signal"), "{error}");
            let is_gone = wait::until(Duration::from_secs(5), || !grandchild.is_alive());
            assert!(is_gone, "it would go on for minutes");
            assert!(after < Duration::from_secs(20), "told after {after:?}");
        });
    }

    #[test]
    fn a_build_that_leaves_something_behind_with_its_pipe_has_ended_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let job = shell(dir.path(), "echo done; /bin/sleep 60 & echo $! > pid");
        let since = Instant::now();
        job.run(&Silent, &AtomicBool::new(false)).unwrap();
        let after = since.elapsed();
        let pid = fs::read_to_string(dir.path().join("pid")).unwrap();
        kill_tree(pid.trim().parse().unwrap());
        assert!(after < Duration::from_secs(20), "told after {after:?}");
        let log = fs::read_to_string(dir.path().join("build.log")).unwrap();
        assert_eq!(log, "done\n");
    }

    #[test]
    fn an_answer_is_kept_apart_from_what_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let job = shell(dir.path(), "echo answer; echo progress >&2");
        let answer = job.answer(&Silent, &AtomicBool::new(false)).unwrap();
        assert_eq!(answer, "answer\n");
        let log = fs::read_to_string(dir.path().join("build.log")).unwrap();
        assert_eq!(log, "progress\n");
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
        thread::scope(|scope| {
            let job = shell(dir.path(), &script);
            let running = scope.spawn(|| job.run(&seen, &AtomicBool::new(false)));
            let told = wait::until(Duration::from_secs(20), || {
                seen.0
                    .lock()
                    .unwrap()
                    .iter()
                    .any(|detail| detail == "package one")
            });
            fs::write(&fifo, "seen\n").unwrap();
            running.join().unwrap().unwrap();
            assert!(told);
        });
    }
}
