//! Docker or native: decided once per command, with a reason that a person can read.

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use super::container::{self, Container};
use super::engine::{Engine, Info};
use crate::environment::Environment;
use crate::error::{Error, Result};

/// What the engine must have in all. Nine containers took 403 MiB at rest and 465 MiB after 5,000 orders, without a
/// Grafana; the engine itself and the images' page cache need the rest.
pub(crate) const NEEDED_MEMORY: u64 = 1536 << 20;

/// How the Collector and its backends run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// As processes of this machine.
    Native,
    /// As containers of `docker-compose.yml`.
    Docker,
}

/// What keeps Docker from being used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    #[error("there is no `docker` on PATH")]
    Client,
    #[error("no Docker engine answers ({0})")]
    Engine(String),
    #[error("Docker has no compose ({0})")]
    Compose(String),
    #[error("the engine has {} MiB of memory, and the stack needs {}", .0 >> 20, NEEDED_MEMORY >> 20)]
    Memory(u64),
}

/// The engine, and the compose project that is ours there.
pub(crate) struct Docker {
    pub(crate) engine: Engine,
    pub(crate) project: String,
    /// The services are wanted as containers too.
    pub(crate) wants_services: bool,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) runtime: Runtime,
    /// One line for a person.
    pub(crate) reason: String,
    /// `STACK` says something else than what runs: fine for looking and stopping, not for starting.
    pub(crate) refused: Option<Runtime>,
}

/// What was found where Docker should be.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) usable: Result<Info, Lack>,
    pub(crate) has_containers: bool,
}

// === impl Runtime ===

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Docker => "docker",
        })
    }
}

impl FromStr for Runtime {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self> {
        match value {
            "native" => Ok(Self::Native),
            "docker" => Ok(Self::Docker),
            _ => Err(Error::UnknownRuntime {
                value: value.to_owned(),
            }),
        }
    }
}

// === impl Lack ===

impl Lack {
    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Client => "install Docker (https://docs.docker.com/engine/install)",
            Self::Engine(_) => {
                "start the engine (`systemctl start docker`), or join the group that may use it"
            }
            Self::Compose(_) => {
                "install the plugin docker-compose-plugin (https://docs.docker.com/compose/install)"
            }
            Self::Memory(_) => "give the engine more memory",
        }
    }
}

// === impl Docker ===

impl Docker {
    pub(crate) fn new(engine: Engine, project: String, environment: &Environment) -> Self {
        let profiles = environment.get("COMPOSE_PROFILES").unwrap_or_default();
        Self {
            engine,
            project,
            wants_services: profiles.split(',').any(|name| name.trim() == "services"),
        }
    }

    /// The containers of the project, also those that have ended.
    pub(crate) fn containers(&self) -> Result<Vec<Container>> {
        let filter = format!("label={}={}", container::PROJECT, self.project);
        let ids =
            self.engine
                .ask(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter])?;
        let ids: Vec<_> = ids.lines().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let arguments: Vec<_> = ["container", "inspect"].into_iter().chain(ids).collect();
        container::parse(&self.engine.ask_leniently(&arguments)?)
    }
}

/// Decides. Docker is looked at only when no native process of the stack runs.
pub(crate) fn choose(
    wanted: Option<Runtime>,
    runs_natively: bool,
    docker: impl FnOnce() -> Found,
) -> Result<Choice> {
    let chosen = |runtime, reason: String| Choice {
        runtime,
        reason,
        refused: wanted.filter(|wanted| *wanted != runtime),
    };
    if runs_natively {
        return Ok(chosen(
            Runtime::Native,
            "runs natively: its processes run already".to_owned(),
        ));
    }
    let found = docker();
    let described = |info: &Info| {
        format!(
            "runs on docker: engine {} with compose {}",
            info.engine, info.compose
        )
    };
    match (wanted, found.usable) {
        (_, Ok(info)) if found.has_containers => Ok(chosen(Runtime::Docker, described(&info))),
        // Too little to start it; it runs all the same.
        (_, Err(lack @ Lack::Memory(_))) if found.has_containers => Ok(chosen(
            Runtime::Docker,
            format!("runs on docker, although {lack}"),
        )),
        (Some(Runtime::Native), _) => Ok(chosen(
            Runtime::Native,
            "runs natively: STACK=native".to_owned(),
        )),
        (_, Ok(info)) => Ok(chosen(Runtime::Docker, described(&info))),
        (Some(Runtime::Docker), Err(lack)) => Err(Error::Docker {
            remedy: lack.remedy(),
            lack,
        }),
        (None, Err(lack)) => Ok(chosen(Runtime::Native, format!("runs natively: {lack}"))),
    }
}

/// Looks for a client, an engine, compose and memory, in this order; each needs the one before it.
pub(crate) fn look(engine: Option<&Engine>, project: &str) -> Found {
    let Some(engine) = engine else {
        return Found {
            usable: Err(Lack::Client),
            has_containers: false,
        };
    };
    let usable = engine.info().and_then(|info| match info.memory {
        Some(memory) if memory < NEEDED_MEMORY => Err(Lack::Memory(memory)),
        _ => Ok(info),
    });
    let has_containers = !matches!(usable, Err(Lack::Engine(_))) && engine.has_containers(project);
    Found {
        usable,
        has_containers,
    }
}

/// The name that the compose file gives its project; without one, compose takes that of the directory.
pub(crate) fn project_in(root: &Path) -> String {
    let file = fs::read_to_string(root.join("docker-compose.yml")).unwrap_or_default();
    let named = file.lines().find_map(|line| line.strip_prefix("name:"));
    let name = named.map(|name| {
        let name = name.split(" #").next().unwrap_or_default();
        name.trim().trim_matches(['"', '\'']).to_owned()
    });
    name.unwrap_or_else(|| {
        let directory = root.file_name().unwrap_or_default().to_string_lossy();
        let lower = directory.to_lowercase();
        lower
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable() -> Result<Info, Lack> {
        Ok(Info {
            engine: "28.2".into(),
            compose: "2.40".into(),
            memory: Some(8 << 30),
        })
    }

    fn check(
        wanted: Option<Runtime>,
        runs_natively: bool,
        usable: Result<Info, Lack>,
        has_containers: bool,
    ) -> Result<Choice> {
        choose(wanted, runs_natively, || Found {
            usable,
            has_containers,
        })
    }

    #[test]
    fn without_a_wish_docker_is_taken_if_it_can_be_and_the_reason_is_told() {
        let docker = check(None, false, usable(), false).unwrap();
        assert_eq!(docker.runtime, Runtime::Docker);
        assert_eq!(
            docker.reason,
            "runs on docker: engine 28.2 with compose 2.40"
        );
        for (lack, expected) in [
            (Lack::Client, "there is no `docker` on PATH"),
            (
                Lack::Engine("refused".into()),
                "no Docker engine answers (refused)",
            ),
            (Lack::Compose("unknown command".into()), "no compose"),
            (
                Lack::Memory(1 << 30),
                "1024 MiB of memory, and the stack needs 1536",
            ),
        ] {
            let native = check(None, false, Err(lack), false).unwrap();
            assert_eq!(native.runtime, Runtime::Native);
            assert!(native.reason.contains(expected), "{}", native.reason);
        }
    }

    #[test]
    fn a_wish_for_docker_that_cannot_be_met_is_an_error_with_a_remedy() {
        for lack in [
            Lack::Client,
            Lack::Engine(String::new()),
            Lack::Compose(String::new()),
            Lack::Memory(1 << 30),
        ] {
            let remedy = lack.remedy();
            let error = check(Some(Runtime::Docker), false, Err(lack.clone()), false)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(&lack.to_string()) && error.contains(remedy),
                "{error}"
            );
        }
    }

    #[test]
    fn what_runs_is_found_whatever_is_wished_and_starting_the_other_is_refused() {
        for (wanted, runs_natively, has_containers, runtime, refused) in [
            (None, true, false, Runtime::Native, None),
            (
                Some(Runtime::Docker),
                true,
                false,
                Runtime::Native,
                Some(Runtime::Docker),
            ),
            (None, false, true, Runtime::Docker, None),
            (
                Some(Runtime::Native),
                false,
                true,
                Runtime::Docker,
                Some(Runtime::Native),
            ),
            (Some(Runtime::Native), false, false, Runtime::Native, None),
            (Some(Runtime::Docker), false, true, Runtime::Docker, None),
        ] {
            let choice = check(wanted, runs_natively, usable(), has_containers).unwrap();
            assert_eq!(
                (choice.runtime, choice.refused),
                (runtime, refused),
                "{wanted:?}"
            );
        }
    }

    #[test]
    fn containers_of_an_engine_with_too_little_memory_can_still_be_looked_at_and_stopped() {
        let choice = check(None, false, Err(Lack::Memory(1 << 30)), true).unwrap();
        assert_eq!(choice.runtime, Runtime::Docker);
    }

    #[test]
    fn another_value_of_the_variable_is_refused_with_the_value() {
        let error = "podman".parse::<Runtime>().unwrap_err().to_string();
        assert!(
            error.contains("STACK=podman") && error.contains("native"),
            "{error}"
        );
    }

    #[test]
    fn profiles_are_read_as_compose_reads_them() {
        let wants_services = |profiles: &str| {
            let mut environment = Environment::default();
            environment.set("COMPOSE_PROFILES", profiles);
            Docker::new(Engine::at("docker".into()), String::new(), &environment).wants_services
        };
        assert!(wants_services("debug, services"));
        assert!(!wants_services("servicesx"));
    }

    #[test]
    fn the_project_is_named_by_its_file_or_else_by_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("My Shop");
        fs::create_dir(&root).unwrap();
        for (file, expected) in [
            ("services: {}\n", "myshop"),
            ("# name: no\nname: otel-shop # ours\n", "otel-shop"),
            ("services:\n  name: x\nname: \"mine\"\n", "mine"),
        ] {
            fs::write(root.join("docker-compose.yml"), file).unwrap();
            assert_eq!(project_in(&root), expected);
        }
    }
}
