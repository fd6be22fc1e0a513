//! The stack as containers: `docker compose`, with the files and variables of this instance.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{getegid, geteuid};
use serde::Deserialize;

use crate::error::{IoContext as _, Result, failed};
use crate::instance::Instance;
use crate::process::{Identity, kill_tree, on_path};
use crate::topology::Component;
use crate::wait;

const FILE: &str = "docker-compose.yml";
/// The services run on the host: their log files are mounted into Promtail.
const HOST_LOGS: &str = "services/host-logs.compose.yaml";
/// For each component that may be missing: the overlay that does without it.
const WITHOUT: [(&str, &str); 3] = [
    ("tempo", "collector/archive-traces.compose.yaml"),
    ("loki", "collector/archive-logs.compose.yaml"),
    ("grafana", "grafana/absent.compose.yaml"),
];
/// The Collector's own user, in its image.
const COLLECTOR: u32 = 10001;
/// How long an engine may take to answer. One that cannot be reached would take much longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Containers that only a person may start and stop.
pub(crate) const FOREIGN: &str = "the stack was started by `docker compose`, not by `just`: `docker compose --profile services down` first";

/// How the stack of the main instance runs.
pub(crate) struct Choice {
    pub(crate) docker: bool,
    /// One line for a person.
    pub(crate) reason: String,
    /// Why nothing may be started.
    pub(crate) refused: Option<String>,
}

/// A line of `docker compose ps`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Container {
    #[serde(rename = "ID")]
    id: String,
    pub(crate) service: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) exit_code: i64,
}

impl Instance {
    pub(crate) fn choose(&self) -> Result<Choice> {
        let state = self.state()?;
        let wanted = self.environment.get("STACK").unwrap_or_default();
        if !["", "docker", "native"].contains(&wanted) {
            return Err(failed!("STACK={wanted}: expected `docker` or `native`"));
        }
        let mut stack = self.topology.stack();
        let is_native = stack.any(|component| state.alive(&component.name).is_some());
        let choice = |docker: bool, reason: String, other: &str| Choice {
            docker,
            refused: (wanted == other)
                .then(|| format!("STACK={other}, but the stack {reason}: `just down` first")),
            reason,
        };
        if is_native || state.docker {
            let (reason, other) = match is_native {
                true => ("runs natively", "docker"),
                false => ("runs on Docker", "native"),
            };
            return Ok(choice(!is_native, reason.to_owned(), other));
        }
        match (wanted, self.containers()) {
            (_, Ok(containers)) if !containers.is_empty() => Ok(Choice {
                docker: true,
                reason: String::new(),
                refused: Some(FOREIGN.to_owned()),
            }),
            ("native", _) => Ok(choice(
                false,
                "runs natively: STACK=native".to_owned(),
                "docker",
            )),
            (_, Ok(_)) => Ok(choice(true, "runs on Docker".to_owned(), "native")),
            ("docker", Err(reason)) => Err(failed!(
                "STACK=docker, but {reason}: install Docker with compose (https://docs.docker.com/compose/install), start its engine, or choose STACK=native"
            )),
            (_, Err(reason)) => Ok(choice(false, format!("runs natively: {reason}"), "docker")),
        }
    }

    /// The name of the compose project of this checkout: the variable `COMPOSE_PROJECT_NAME`, otherwise the name in
    /// `docker-compose.yml`.
    #[must_use]
    pub fn project(&self) -> String {
        let set = self.environment.get("COMPOSE_PROJECT_NAME");
        let file = fs::read_to_string(self.root.join(FILE)).unwrap_or_default();
        let name = file.lines().find_map(|line| line.strip_prefix("name:"));
        let name = set.filter(|name| !name.is_empty()).or(name);
        name.map_or("otel-shop", str::trim).to_owned()
    }

    /// `docker compose` with the files and variables of this instance.
    fn compose(&self, arguments: &[&str]) -> Result<Command> {
        let client = on_path("docker").ok_or_else(|| failed!("there is no `docker` on PATH"))?;
        let mut command = Command::new(client);
        command.current_dir(&self.root).stdin(Stdio::null());
        command.args(["compose", "--project-name", &self.project(), "--file", FILE]);
        let overlays = WITHOUT.iter().filter(|(name, _)| self.lacks_by_name(name));
        for file in overlays.map(|(_, file)| *file).chain([HOST_LOGS]) {
            command.args(["--file", file]);
        }
        command.args(arguments).envs(self.environment.iter());
        for component in self.topology.stack() {
            let name = component.name.to_uppercase().replace('-', "_");
            command.env(
                format!("FILES_{name}"),
                self.hash_of_files(&self.with_overlays(component))?,
            );
        }
        command.env("ARCHIVE_DIR", self.archive_mount());
        // The caller reads the archive, so the Collector writes it as the caller; but never as root.
        let (user, group) = match geteuid().is_root() {
            true => (COLLECTOR, COLLECTOR),
            false => (geteuid().as_raw(), getegid().as_raw()),
        };
        command.env("ARCHIVE_USER", format!("{user}:{group}"));
        Ok(command)
    }

    /// Standard output of a short call that prints nothing for a person.
    pub(crate) fn compose_output(&self, arguments: &[&str]) -> Result<String> {
        let output = within(PATIENCE, self.compose(arguments)?);
        let reason = match output {
            Ok(output) if output.status.success() => {
                return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
            }
            Ok(output) => {
                let errors = String::from_utf8_lossy(&output.stderr).into_owned();
                let mut lines = errors.lines().map(str::trim);
                let last = lines.rfind(|line| !line.is_empty() && !line.starts_with("Run 'docker"));
                last.unwrap_or("no reason is given").to_owned()
            }
            Err(reason) => reason,
        };
        Err(failed!("docker compose does not answer ({reason})"))
    }

    /// A call that shows its own progress or output.
    pub(crate) fn compose_run(&self, arguments: &[&str], names: &[&Component]) -> Result<()> {
        show(self.compose(arguments)?, names)
    }

    /// The containers of the project, also those that have ended.
    pub(crate) fn containers(&self) -> Result<Vec<Container>> {
        let answer = self.compose_output(&["ps", "--all", "--format", "json"])?;
        // One object in each line; a list before compose 2.21.
        let lines = answer.lines().filter(|line| !line.is_empty());
        let containers: Result<_, serde_json::Error> = match answer.trim_start().starts_with('[') {
            true => serde_json::from_str(&answer),
            false => lines.map(serde_json::from_str).collect(),
        };
        containers.map_err(|error| failed!("docker compose ps: {error}"))
    }

    /// Exactly these: what is left out must not be started as a dependency.
    pub(crate) fn start_containers(&self, components: &[&Component]) -> Result<()> {
        let archive = self.archive_mount();
        fs::create_dir_all(&archive).context("create", &archive)?;
        if geteuid().is_root() {
            let owner = std::os::unix::fs::chown(&archive, Some(COLLECTOR), Some(COLLECTOR));
            owner.context("change the owner of", &archive)?;
        }
        let mut command = self.compose(&["up", "--detach", "--wait", "--no-deps"])?;
        // Elsewhere than usual without root, or where its data root was moved.
        let mut info = Command::new("docker");
        info.args(["info", "--format", "{{.DockerRootDir}}"]);
        let root = within(PATIENCE, info).map(|output| output.stdout);
        let root = String::from_utf8_lossy(&root.unwrap_or_default())
            .trim()
            .to_owned();
        if root.starts_with('/') {
            command.env("DOCKER_CONTAINERS", format!("{root}/containers"));
        }
        show(command, components)
    }
}

impl Container {
    /// If it is a process of this machine.
    pub(crate) fn process(&self) -> Option<Identity> {
        let mut command = Command::new("docker");
        command.args(["inspect", "--format", "{{.State.Pid}}", &self.id]);
        let output = within(PATIENCE, command).ok()?;
        Identity::of(
            String::from_utf8_lossy(&output.stdout)
                .trim()
                .parse()
                .ok()?,
        )
    }
}

fn show(mut command: Command, names: &[&Component]) -> Result<()> {
    command.args(names.iter().map(|component| &component.name));
    let status = command.status().context("start", Path::new("docker"))?;
    match status.success() {
        true => Ok(()),
        false => Err(failed!("docker compose failed ({status})")),
    }
}

/// A command's output, unless it takes longer.
pub(crate) fn within(patience: Duration, mut command: Command) -> Result<Output, String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| error.to_string())?;
    let id = child.id();
    let waiting = thread::spawn(move || child.wait_with_output());
    if !wait::until(patience, || waiting.is_finished()) {
        kill_tree(id);
        return Err(format!("no answer within {} s", patience.as_secs()));
    }
    match waiting.join() {
        Ok(output) => output.map_err(|error| error.to_string()),
        Err(_) => Err("it could not be awaited".to_owned()),
    }
}
