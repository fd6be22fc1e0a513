//! What the engine says of a container.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;

use crate::error::{Error, Result};

pub(crate) const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const CONFIG_FILES: &str = "com.docker.compose.project.config_files";

/// Of an image that was made from a native binary.
pub(crate) const STAND_IN: &str = "otel-shop.stand-in";

/// One container of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) id: String,
    /// Of the compose file, which is the component's name.
    pub(crate) service: String,
    pub(crate) phase: Phase,
    /// On the engine's machine; not this one if the engine is in a virtual machine.
    pub(crate) pid: i32,
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Waits for what it depends on.
    Created,
    /// Runs; nobody asks whether it is ready.
    Unwatched,
    /// Its health was not good yet; what the last check saw.
    Starting(String),
    Healthy,
    Unhealthy(String),
    /// It ended, and the engine starts it again.
    Restarting(i64),
    Exited {
        code: i64,
        lacked_memory: bool,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    state: State,
    config: Config,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    #[serde(default)]
    pid: i32,
    #[serde(default)]
    exit_code: i64,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    health: Option<Health>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: String,
    log: Option<Vec<Check>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    output: String,
}

/// Reads the answer of `docker container inspect`.
pub(crate) fn parse(json: &str) -> Result<Vec<Container>> {
    let inspected: Vec<Inspected> = read("container inspect", json)?;
    Ok(inspected
        .into_iter()
        .map(|one| {
            let labels = one.config.labels.unwrap_or_default();
            Container {
                service: labels.get(SERVICE).cloned().unwrap_or_default(),
                id: one.id,
                phase: one.state.phase(),
                pid: one.state.pid,
                labels,
            }
        })
        .collect())
}

pub(crate) fn read<'a, T: Deserialize<'a>>(command: &str, json: &'a str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::Engine {
        command: command.to_owned(),
        reason: format!("its answer cannot be read: {error}"),
    })
}

// === impl Container ===

impl Container {
    pub(crate) fn is_running(&self) -> bool {
        !matches!(
            self.phase,
            Phase::Created | Phase::Restarting(_) | Phase::Exited { .. }
        )
    }

    /// Brought up with the overlay that keeps the traces in the Collector.
    pub(crate) fn keeps_archive(&self) -> bool {
        let files = self.labels.get(CONFIG_FILES);
        files.is_some_and(|files| files.contains("archive.compose.yaml"))
    }

    pub(crate) fn is_stand_in(&self) -> bool {
        self.labels.contains_key(STAND_IN)
    }

    /// Its first process, if that is one of this machine and we may look into it.
    pub(crate) fn visible_pid(&self) -> Option<i32> {
        let is_its = || {
            // A number of another machine may belong to anybody here.
            let groups = fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).ok()?;
            let is_readable = fs::read_dir(format!("/proc/{}/fd", self.pid)).is_ok();
            Some(groups.contains(&self.id) && is_readable)
        };
        (self.is_running() && self.pid > 0 && is_its()?).then_some(self.pid)
    }
}

// === impl State ===

impl State {
    fn phase(&self) -> Phase {
        let seen = || {
            let last = self
                .health
                .as_ref()
                .and_then(|health| health.log.as_ref()?.last());
            last.map(|check| check.output.trim().to_owned())
                .filter(|output| !output.is_empty())
        };
        let health = self.health.as_ref().map(|health| &*health.status);
        match (&*self.status, health) {
            ("created", _) => Phase::Created,
            ("restarting", _) => Phase::Restarting(self.exit_code),
            ("running" | "paused", None | Some("none" | "")) => Phase::Unwatched,
            ("running", Some("healthy")) => Phase::Healthy,
            ("running", Some("unhealthy")) => {
                Phase::Unhealthy(seen().unwrap_or_else(|| "its health check fails".to_owned()))
            }
            ("running" | "paused", _) => {
                Phase::Starting(seen().unwrap_or_else(|| "its health was not asked yet".to_owned()))
            }
            _ => Phase::Exited {
                code: self.exit_code,
                lacked_memory: self.oom_killed,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected(state: &str) -> Container {
        let json = format!(
            r#"[{{"Id":"abc","State":{state},"Config":{{"Labels":{{
                "com.docker.compose.service":"loki","otel-shop.stand-in":"loki",
                "com.docker.compose.project.config_files":"/r/docker-compose.yml,/r/collector/archive.compose.yaml"
            }}}}}}]"#
        );
        parse(&json).unwrap().remove(0)
    }

    #[test]
    fn each_state_of_the_engine_is_one_of_ours() {
        for (state, expected, is_running) in [
            (r#"{"Status":"created"}"#, Phase::Created, false),
            (r#"{"Status":"running","Pid":7}"#, Phase::Unwatched, true),
            (
                r#"{"Status":"running","Health":{"Status":"healthy","Log":[]}}"#,
                Phase::Healthy,
                true,
            ),
            (
                r#"{"Status":"running","Health":{"Status":"starting","Log":[{"Output":"old"},{"Output":"503\n"}]}}"#,
                Phase::Starting("503".into()),
                true,
            ),
            (
                r#"{"Status":"running","Health":{"Status":"unhealthy","Log":null}}"#,
                Phase::Unhealthy("its health check fails".into()),
                true,
            ),
            (
                r#"{"Status":"restarting","ExitCode":3}"#,
                Phase::Restarting(3),
                false,
            ),
            (
                r#"{"Status":"exited","ExitCode":137,"OOMKilled":true}"#,
                Phase::Exited {
                    code: 137,
                    lacked_memory: true,
                },
                false,
            ),
        ] {
            let container = inspected(state);
            assert_eq!(container.phase, expected, "{state}");
            assert_eq!(container.is_running(), is_running, "{state}");
        }
    }

    #[test]
    fn labels_tell_the_component_the_overlay_and_a_stand_in() {
        let container = inspected(r#"{"Status":"running"}"#);
        assert_eq!(container.service, "loki");
        assert!(container.keeps_archive() && container.is_stand_in());
    }

    #[test]
    fn a_pid_of_another_machine_is_not_taken_for_one_of_this() {
        let own = format!(r#"{{"Status":"running","Pid":{}}}"#, std::process::id());
        assert_eq!(inspected(&own).visible_pid(), None);
    }

    #[test]
    fn an_answer_that_is_no_json_is_an_error_and_not_nothing() {
        assert!(
            parse("<html>")
                .unwrap_err()
                .to_string()
                .contains("container inspect")
        );
    }
}
