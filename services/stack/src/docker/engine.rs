//! The Docker command line: what is asked of it, and what its answers say.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::choice::Lack;
use super::container;
use crate::error::{Error, IoContext as _, Result};
use crate::ports;
use crate::process::kill_tree;
use crate::tools;
use crate::wait;

/// How long an engine may take to say who it is. One that is far away and gone would hang much longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The client. It finds its engine itself (`DOCKER_HOST`, contexts), as it does for a person.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    client: PathBuf,
}

/// An engine that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) engine: String,
    pub(crate) compose: String,
    /// All that it has; unknown to some that only resemble Docker.
    pub(crate) memory: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Described {
    server_version: String,
    mem_total: Option<u64>,
    server_errors: Option<Vec<String>>,
}

// === impl Engine ===

impl Engine {
    pub(crate) fn on_path() -> Option<Self> {
        tools::on_path("docker").map(Self::at)
    }

    pub(crate) fn at(client: PathBuf) -> Self {
        Self { client }
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.client);
        command.stdin(Stdio::null());
        command
    }

    /// Standard output of a call that has to succeed.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command();
        command.args(arguments);
        let words = &arguments[..arguments.len().min(2)];
        succeed(command, &words.join(" "))
    }

    /// Standard output, also if some of what was asked about has gone meanwhile.
    pub(crate) fn ask_leniently(&self, arguments: &[&str]) -> Result<String> {
        Ok(text(&self.output(arguments)?.stdout))
    }

    /// Who it is, or what it lacks.
    pub(crate) fn info(&self) -> Result<Info, Lack> {
        let mut command = self.command();
        command.args(["info", "--format", "{{json .}}"]);
        let output = within(PATIENCE, command).map_err(Lack::Engine)?;
        let described = described(&output)?;
        let mut command = self.command();
        command.args(["compose", "version", "--short"]);
        let output = within(PATIENCE, command).map_err(Lack::Compose)?;
        if !output.status.success() {
            return Err(Lack::Compose(reason(&text(&output.stderr))));
        }
        Ok(Info {
            engine: short_version(&described.server_version),
            compose: short_version(&text(&output.stdout)),
            memory: described.mem_total.filter(|memory| *memory > 0),
        })
    }

    pub(crate) fn has_containers(&self, project: &str) -> bool {
        let filter = format!("label={}={project}", container::PROJECT);
        self.ask(&["ps", "--all", "--quiet", "--filter", &filter])
            .is_ok_and(|ids| !ids.trim().is_empty())
    }

    pub(crate) fn has_buildx(&self) -> bool {
        self.output(&["buildx", "version"])
            .is_ok_and(|output| output.status.success())
    }

    /// Where it keeps its containers' logs: elsewhere without root, or with a `data-root` of its own.
    pub(crate) fn containers_dir(&self) -> Option<PathBuf> {
        let root = self.ask(&["info", "--format", "{{.DockerRootDir}}"]).ok()?;
        let root = PathBuf::from(root.trim());
        root.is_absolute().then(|| root.join("containers"))
    }

    fn output(&self, arguments: &[&str]) -> Result<Output> {
        self.command()
            .args(arguments)
            .output()
            .context("start", &self.client)
    }
}

/// Standard output of a command of the client that has to succeed.
pub(crate) fn succeed(mut command: Command, name: &str) -> Result<String> {
    let program = PathBuf::from(command.get_program());
    let output = command.output().context("start", &program)?;
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(Error::Engine {
        command: name.to_owned(),
        reason: reason(&text(&output.stderr)),
    })
}

/// Who has a port: a container is named, since the process that listens for it tells nobody anything.
pub(crate) fn port_holder(port: u16) -> String {
    let seen = ports::holder(port);
    if !seen.contains("docker-proxy") && !seen.contains("another user") {
        return seen;
    }
    let format = "{{.Names}}\t{{.Label \"com.docker.compose.project\"}}";
    let filter = format!("publish={port}");
    let found = Engine::on_path()
        .and_then(|engine| {
            engine
                .ask(&["ps", "--filter", &filter, "--format", format])
                .ok()
        })
        .unwrap_or_default();
    match found.lines().next().and_then(|line| line.split_once('\t')) {
        Some((name, "")) => format!("the container {name}"),
        Some((name, project)) => format!("the container {name} of the compose project {project}"),
        None => seen,
    }
}

/// The last line that says something: before it come progress and usage hints.
pub(crate) fn reason(output: &str) -> String {
    let mut lines = output.lines().map(str::trim);
    let last = lines.rfind(|line| !line.is_empty() && !line.starts_with("Run 'docker"));
    last.unwrap_or("no reason is given").to_owned()
}

fn described(output: &Output) -> Result<Described, Lack> {
    let described: Described = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if let Some(error) = described.server_errors.iter().flatten().next() {
        return Err(Lack::Engine(reason(error)));
    }
    if !output.status.success() {
        return Err(Lack::Engine(reason(&text(&output.stderr))));
    }
    Ok(described)
}

/// `28.2` from `28.2.2`, `20.10` from `20.10.24+dfsg1`; what is no number stays.
fn short_version(version: &str) -> String {
    let parts: Vec<_> = version.trim().trim_start_matches('v').split('.').collect();
    match &*parts {
        [""] => "of unknown version".to_owned(),
        [major, minor, ..] => format!("{major}.{minor}"),
        _ => parts.concat(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A command's output, unless it takes longer.
fn within(patience: Duration, mut command: Command) -> Result<Output, String> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let read = |stream: Option<_>| scope.spawn(move || all_of(stream));
        let stdout = read(stdout.map(|stream| Box::new(stream) as Stream));
        let stderr = read(stderr.map(|stream| Box::new(stream) as Stream));
        let mut status = None;
        wait::until(patience, || {
            status = child.try_wait().transpose();
            status.is_some()
        });
        if status.is_none() {
            // With its plugin, which holds the pipes too. Ended in this moment is as good.
            kill_tree(child.id());
            drop(child.wait());
        }
        let [stdout, stderr] = [stdout, stderr].map(|thread| thread.join().unwrap_or_default());
        match status {
            Some(status) => Ok(Output {
                status: status.map_err(|error| error.to_string())?,
                stdout,
                stderr,
            }),
            None => Err(format!("no answer in {} s", patience.as_secs())),
        }
    })
}

type Stream = Box<dyn std::io::Read + Send>;

fn all_of(stream: Option<Stream>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What was read until then is what there is.
        drop(stream.read_to_end(&mut bytes));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;
    use std::time::Instant;

    #[test]
    fn versions_are_told_by_major_and_minor() {
        for (version, expected) in [
            ("28.2.2", "28.2"),
            ("20.10.24+dfsg1", "20.10"),
            ("v2.40.3\n", "2.40"),
            ("dev\n", "dev"),
            ("", "of unknown version"),
        ] {
            assert_eq!(short_version(version), expected);
        }
    }

    #[test]
    fn the_reason_is_the_last_line_that_is_no_hint() {
        let output =
            "docker: unknown command: docker compose\n\nRun 'docker --help' for more information\n";
        assert_eq!(reason(output), "docker: unknown command: docker compose");
        assert_eq!(reason("\n"), "no reason is given");
    }

    #[test]
    fn an_engine_that_does_not_answer_is_told_from_one_that_does() {
        let output = |code: i32, stdout: &str, stderr: &str| Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        let good = described(&output(0, r#"{"ServerVersion":"28.2.2","MemTotal":5}"#, "")).unwrap();
        assert_eq!((&*good.server_version, good.mem_total), ("28.2.2", Some(5)));
        // Older clients end with 0 all the same.
        let listed = output(0, r#"{"ServerErrors":["Cannot connect"]}"#, "");
        assert_eq!(
            described(&listed).unwrap_err(),
            Lack::Engine("Cannot connect".into())
        );
        let failed = output(1, "", "permission denied\n");
        assert_eq!(
            described(&failed).unwrap_err(),
            Lack::Engine("permission denied".into())
        );
    }

    #[test]
    fn a_call_without_an_answer_is_given_up() {
        // As with a plugin: the pipe is held by a grandchild.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "/bin/sleep 60; exit 0"]);
        let since = Instant::now();
        let error = within(Duration::from_millis(100), command).unwrap_err();
        assert!(error.contains("no answer"), "{error}");
        assert!(since.elapsed() < Duration::from_secs(20));
    }
}
