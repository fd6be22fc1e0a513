//! The stack as containers: `docker compose`, with the files and variables of this instance.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{IoContext as _, Result, failed};
use crate::instance::Instance;
use crate::process::{kill_tree, on_path};
use crate::topology::Component;
use crate::wait;

const FILE: &str = "docker-compose.yml";
/// The services run on the host: their log files are mounted into Promtail.
const HOST_LOGS: &str = "services/host-logs.compose.yaml";
const ARCHIVES: [(&str, &str); 2] = [
    ("tempo", "collector/archive-traces.compose.yaml"),
    ("loki", "collector/archive-logs.compose.yaml"),
];
/// The Collector's own user, in its image.
const COLLECTOR: u32 = 10001;
/// How long an engine may take to answer. One that cannot be reached would take much longer.
const PATIENCE: Duration = Duration::from_secs(20);
const FOREIGN: &str = "the stack was started by `docker compose`, not by `just`: `docker compose --profile services down` first";

/// How the stack of the main instance runs.
pub(crate) struct Choice {
    pub(crate) docker: Option<Docker>,
    /// One line for a person.
    pub(crate) reason: String,
    /// Why nothing may be started.
    pub(crate) refused: Option<String>,
}

/// The compose project of this checkout.
#[derive(Debug, Clone)]
pub(crate) struct Docker;

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
    /// If it is a process of this machine.
    #[serde(skip)]
    pub(crate) pid: Option<i32>,
}

impl Instance {
    pub(crate) fn choose(&self) -> Result<Choice> {
        let state = self.state()?;
        let wanted = self.environment.get("STACK").unwrap_or_default();
        if !["", "docker", "native"].contains(&wanted) {
            return Err(failed!("STACK={wanted}: expected `docker` or `native`"));
        }
        let choice = |docker: bool, reason: &str| Choice {
            docker: docker.then_some(Docker),
            reason: reason.to_owned(),
            refused: None,
        };
        let refuse = |mut choice: Choice, other: &str, running: &str| {
            if wanted == other {
                choice.refused = Some(format!(
                    "STACK={other}, but the stack runs {running}: `just down` first"
                ));
            }
            choice
        };
        let mut stack = self
            .topology
            .components
            .iter()
            .filter(|component| !component.is_service());
        if stack.any(|component| state.alive(&component.name).is_some()) {
            let choice = choice(false, "runs natively: its processes are running");
            return Ok(refuse(choice, "docker", "natively"));
        }
        if state.docker {
            return Ok(refuse(
                choice(true, "runs on Docker"),
                "native",
                "on Docker",
            ));
        }
        match (wanted, Docker.containers(self)) {
            (_, Ok(containers)) if !containers.is_empty() => Ok(Choice {
                refused: Some(FOREIGN.to_owned()),
                ..choice(true, "runs on Docker")
            }),
            ("native", _) => Ok(choice(false, "runs natively: STACK=native")),
            (_, Ok(_)) => Ok(choice(true, "runs on Docker")),
            ("docker", Err(reason)) => Err(failed!(
                "STACK=docker, but {reason}: install Docker with compose (https://docs.docker.com/compose/install), start its engine, or choose STACK=native"
            )),
            (_, Err(reason)) => Ok(choice(false, &format!("runs natively: {reason}"))),
        }
    }

    /// The name of the compose project of this checkout: the variable `COMPOSE_PROJECT_NAME`, otherwise the name in
    /// `docker-compose.yml`.
    #[must_use]
    pub fn project(&self) -> String {
        let set = self.environment.get("COMPOSE_PROJECT_NAME");
        if let Some(name) = set.filter(|name| !name.is_empty()) {
            return name.to_owned();
        }
        let file = fs::read_to_string(self.root.join(FILE)).unwrap_or_default();
        let name = file.lines().find_map(|line| line.strip_prefix("name:"));
        name.map_or("otel-shop", str::trim).to_owned()
    }

    /// Prometheus' targets inside: the shipped list without what is not started.
    fn write_targets(&self) -> Result<()> {
        let shipped = self.root.join("grafana/prometheus/targets.json");
        let text = fs::read(&shipped).context("read", &shipped)?;
        let mut groups: Vec<serde_json::Value> = serde_json::from_slice(&text)
            .map_err(|error| failed!("{}: {error}", shipped.display()))?;
        groups.retain(|group| {
            let name = group["labels"]["component"].as_str();
            !name.is_some_and(|name| self.lacks_by_name(name))
        });
        let place = self.home.join("prometheus/targets.docker.json");
        // In place: a container that has the file mounted keeps this very one.
        fs::write(&place, format!("{:#}\n", serde_json::Value::from(groups)))
            .context("write", &place)
    }

    fn prepare_archive(&self) -> Result<()> {
        let place = self.archive_mount();
        fs::create_dir_all(&place).context("create", &place)?;
        match rustix::process::geteuid().is_root() {
            true => std::os::unix::fs::chown(&place, Some(COLLECTOR), Some(COLLECTOR))
                .context("change the owner of", &place),
            false => Ok(()),
        }
    }

    /// The Collector writes its archive as the caller, who reads it; but never as root.
    fn archive_user() -> String {
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        match user.is_root() {
            true => format!("{COLLECTOR}:{COLLECTOR}"),
            false => format!("{}:{}", user.as_raw(), group.as_raw()),
        }
    }
}

impl Docker {
    /// The files that this instance uses, the command and its variables.
    fn compose(&self, instance: &Instance, arguments: &[&str]) -> Result<Command> {
        let mut command =
            Command::new(on_path("docker").ok_or_else(|| failed!("there is no `docker` on PATH"))?);
        command.current_dir(&instance.root).stdin(Stdio::null());
        command.args([
            "compose",
            "--project-name",
            &instance.project(),
            "--file",
            FILE,
        ]);
        let archives = ARCHIVES
            .iter()
            .filter(|(name, _)| instance.lacks_by_name(name));
        for file in archives.map(|(_, file)| *file).chain([HOST_LOGS]) {
            if instance.root.join(file).is_file() {
                command.args(["--file", file]);
            }
        }
        let mut variables: BTreeMap<_, _> = instance
            .environment
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for component in instance
            .topology
            .components
            .iter()
            .filter(|component| !component.is_service())
        {
            let name = component.name.to_uppercase().replace('-', "_");
            variables.insert(format!("FILES_{name}"), instance.hash_of_files(component)?);
        }
        let text = |path: &Path| path.to_string_lossy().into_owned();
        variables.insert(
            "PROMETHEUS_TARGETS".into(),
            text(&instance.home.join("prometheus/targets.docker.json")),
        );
        variables.insert("ARCHIVE_DIR".into(), text(&instance.archive_mount()));
        variables.insert("ARCHIVE_USER".into(), Instance::archive_user());
        command.args(arguments).envs(variables);
        Ok(command)
    }

    /// Standard output of a short call that prints nothing for a person.
    pub(crate) fn quietly(&self, instance: &Instance, arguments: &[&str]) -> Result<String> {
        let output = within(PATIENCE, self.compose(instance, arguments)?);
        let output =
            output.map_err(|reason| failed!("docker compose does not answer ({reason})"))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            let mut last = errors.lines().map(str::trim);
            let last = last.rfind(|line| !line.is_empty() && !line.starts_with("Run 'docker"));
            return Err(failed!(
                "docker compose does not answer ({})",
                last.unwrap_or("no reason is given")
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A call that shows its own progress.
    fn visibly(&self, instance: &Instance, arguments: &[&str], names: &[&Component]) -> Result<()> {
        let mut command = self.compose(instance, arguments)?;
        command.args(names.iter().map(|component| &component.name));
        let status = command.status().context("start", Path::new("docker"))?;
        match status.success() {
            true => Ok(()),
            false => Err(failed!("docker compose {} failed ({status})", arguments[0])),
        }
    }

    /// The containers of the project, also those that have ended.
    pub(crate) fn containers(&self, instance: &Instance) -> Result<Vec<Container>> {
        let answer = self.quietly(instance, &["ps", "--all", "--format", "json"])?;
        // One object in each line; a list before compose 2.21.
        let mut containers: Vec<Container> = match answer.trim_start().starts_with('[') {
            true => serde_json::from_str(&answer),
            false => answer
                .lines()
                .filter(|line| !line.is_empty())
                .map(serde_json::from_str)
                .collect(),
        }
        .map_err(|error| failed!("docker compose ps: {error}"))?;
        for container in containers
            .iter_mut()
            .filter(|container| container.state == "running")
        {
            let mut command = Command::new("docker");
            command.args(["inspect", "--format", "{{.State.Pid}}", &container.id]);
            let output = within(PATIENCE, command).ok();
            container.pid = output
                .and_then(|output| String::from_utf8_lossy(&output.stdout).trim().parse().ok());
        }
        Ok(containers)
    }

    /// Exactly these: what is left out must not come in as a dependency.
    pub(crate) fn up(&self, instance: &Instance, components: &[&Component]) -> Result<()> {
        instance.write_targets()?;
        instance.prepare_archive()?;
        self.visibly(
            instance,
            &["up", "--detach", "--wait", "--no-deps"],
            components,
        )
    }

    pub(crate) fn stop(&self, instance: &Instance, components: &[&Component]) -> Result<()> {
        match components.is_empty() {
            true => Ok(()),
            false => self.visibly(instance, &["stop"], components),
        }
    }

    /// Containers and networks, and the volumes if they are to be forgotten.
    pub(crate) fn down(&self, instance: &Instance, forget: bool) -> Result<()> {
        let arguments: &[&str] = if forget {
            &["down", "--volumes"]
        } else {
            &["down"]
        };
        self.visibly(instance, arguments, &[])
    }

    /// An error unless the launcher has started the containers.
    pub(crate) fn require_ours(&self, is_ours: bool) -> Result<()> {
        match is_ours {
            true => Ok(()),
            false => Err(failed!("{FOREIGN}")),
        }
    }

    pub(crate) fn note_foreign(&self, instance: &Instance) {
        if self
            .containers(instance)
            .is_ok_and(|containers| !containers.is_empty())
        {
            instance.report.note(FOREIGN);
        }
    }

    /// Keeps the last lines of a container where those of a process are.
    pub(crate) fn save_output(&self, instance: &Instance, name: &str, place: &Path) {
        let text = self.quietly(
            instance,
            &[
                "logs",
                "--no-color",
                "--no-log-prefix",
                "--tail",
                "1000",
                name,
            ],
        );
        drop(fs::write(place, text.unwrap_or_default()));
    }

    /// Shows the output of a container.
    pub(crate) fn logs(
        &self,
        instance: &Instance,
        name: &str,
        lines: usize,
        follow: bool,
    ) -> Result<()> {
        let lines = lines.to_string();
        let mut arguments = vec!["logs", "--no-log-prefix", "--tail", &lines];
        arguments.extend(follow.then_some("--follow"));
        arguments.push(name);
        self.visibly(instance, &arguments, &[])
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
