//! Looking at containers, and ending one as a crash would.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::choice::Docker;
use super::container::{Container, Phase};
use super::places::Places;
use crate::component::Component;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::process::Identity;
use crate::status::{Condition, Status};
use crate::wait;

/// How long the engine may take to see that a process has ended.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

/// A line of `docker stats`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Usage {
    #[serde(rename = "ID")]
    id: String,
    mem_usage: String,
}

impl Instance {
    /// The row of a component that is a container.
    pub(crate) fn status_inside(
        &self,
        component: &'static Component,
        container: Option<&Container>,
        memory: &BTreeMap<String, u64>,
    ) -> Result<Status> {
        let url = self.environment.expand(component.url)?;
        let row = |condition, note: String| Status {
            name: component.name,
            condition,
            pid: None,
            memory: None,
            url,
            note,
        };
        let Some(container) = container else {
            return Ok(match self.obstacle(component) {
                Some(remedy) => row(Condition::Unavailable, remedy.to_owned()),
                None => row(Condition::Stopped, String::new()),
            });
        };
        let row = match (&container.phase, self.readiness(component, container)?) {
            (Phase::Exited { .. }, _) if container.was_stopped() => {
                row(Condition::Stopped, String::new())
            }
            (Phase::Exited { code, .. }, _) => row(
                Condition::Died,
                format!(
                    "{}: see `just logs {}`",
                    container.ending(*code),
                    component.name
                ),
            ),
            (_, Ok(())) => row(Condition::Ready, String::new()),
            (_, Err(seen)) => row(Condition::NotReady, seen),
        };
        let mut notes = Vec::new();
        if container.is_stand_in() {
            notes.push("stand-in");
        }
        notes.extend(Some(&*row.note).filter(|note| !note.is_empty()));
        Ok(Status {
            note: notes.join(", "),
            pid: container.visible_pid(),
            memory: memory.get(&container.id).copied(),
            ..row
        })
    }

    /// Memory by the container's id.
    pub(crate) fn memory_inside(&self, docker: &Docker, places: &Places) -> BTreeMap<String, u64> {
        let running = places
            .containers()
            .filter(|container| container.is_running());
        let ids: Vec<_> = running.map(|container| &*container.id).collect();
        if ids.is_empty() {
            return BTreeMap::new();
        }
        let mut arguments = vec![
            "stats",
            "--no-stream",
            "--no-trunc",
            "--format",
            "{{json .}}",
        ];
        arguments.extend(ids);
        usages(&docker.engine.ask_leniently(&arguments).unwrap_or_default())
    }

    /// `Ok` when ready, else what was seen.
    pub(crate) fn readiness(
        &self,
        component: &Component,
        container: &Container,
    ) -> Result<Result<(), String>> {
        Ok(match &container.phase {
            Phase::Healthy => Ok(()),
            Phase::Unwatched => self.probe_of(component)?.ask(),
            Phase::Starting(seen) | Phase::Unhealthy(seen) => Err(seen.clone()),
            Phase::Created => Err("it waits for what it depends on".to_owned()),
            Phase::Restarting(code) => Err(format!(
                "it ends and is started again ({})",
                container.ending(*code)
            )),
            Phase::Exited { code, .. } => Err(container.ending(*code)),
        })
    }

    /// Its last output in a file, for a person and for the tail of an error.
    pub(crate) fn save_output(&self, docker: &Docker, container: &Container) -> PathBuf {
        let place = self
            .home
            .join(format!("logs/{}.container.txt", container.service));
        let saved = fs::create_dir_all(self.home.join("logs"))
            .and_then(|()| File::create(&place))
            .and_then(|file| {
                let mut command = docker.engine.command();
                command.args(["logs", "--tail", "1000", &container.id]);
                command.stdout(file.try_clone()?).stderr(file).status()
            });
        // Then the file is empty or absent, and says so by that.
        drop(saved);
        place
    }

    /// What shows the output of a component that is a container.
    pub fn output_command(
        &self,
        name: &str,
        lines: usize,
        follow: bool,
    ) -> Result<Option<Command>> {
        let component = crate::component(name)?;
        let Some(docker) = &self.docker else {
            return Ok(None);
        };
        let places = self.places()?;
        if !places.is_inside(component) {
            return Ok(None);
        }
        let Some(container) = places.container(name) else {
            return Err(Error::NotStarted {
                component: name.to_owned(),
            });
        };
        let mut command = docker.engine.command();
        command.args(["logs", "--tail", &lines.to_string()]);
        if follow {
            command.arg("--follow");
        }
        command.arg(&container.id);
        Ok(Some(command))
    }

    /// SIGKILL to its first process. The engine takes that for a crash and starts it again, as its restart policy says.
    /// Where we may not signal that process, `docker kill` ends it; the engine takes that for a stop, and it stays away.
    pub(crate) fn kill_container(&self, docker: &Docker, container: &Container) -> Result<()> {
        let identity = container.visible_pid().and_then(Identity::of);
        match identity {
            Some(identity) => drop(identity.kill()),
            None => drop(docker.engine.ask(&["kill", &container.id])?),
        }
        // Until the engine knows it, it would still call the container healthy.
        wait::until(SEEN_WITHIN, || {
            let now = docker.containers().unwrap_or_default();
            now.iter()
                .any(|now| now.id == container.id && now.pid != container.pid)
        });
        Ok(())
    }
}

// === impl Container ===

impl Container {
    /// Ended as one ends that is told to: by itself, by SIGTERM, or by the SIGKILL after its time. A crash is started
    /// again.
    fn was_stopped(&self) -> bool {
        matches!(
            self.phase,
            Phase::Exited {
                code: 0 | 137 | 143,
                lacked_memory: false
            }
        )
    }

    pub(crate) fn ending(&self, code: i64) -> String {
        match self.phase {
            Phase::Exited {
                lacked_memory: true,
                ..
            } => "it had too little memory".to_owned(),
            _ => format!("exit code {code}"),
        }
    }
}

fn usages(lines: &str) -> BTreeMap<String, u64> {
    let usages = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Usage>(line).ok());
    usages
        .filter_map(|usage| Some((usage.id, bytes(usage.mem_usage.split('/').next()?.trim())?)))
        .collect()
}

/// `25.5MiB` as the client writes it.
fn bytes(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..unit].trim().parse().ok()?;
    let factor = match &text[unit..] {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    // A container's memory is far below what a float holds exactly.
    format!("{:.0}", number * factor).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_each_container_is_read_from_its_line() {
        let lines = "{\"ID\":\"a\",\"MemUsage\":\"25.5MiB / 512MiB\"}\nnot json\n{\"ID\":\"b\",\"MemUsage\":\"-- / --\"}\n";
        assert_eq!(
            usages(lines),
            BTreeMap::from([("a".to_owned(), 26_738_688)])
        );
        assert_eq!(bytes("1.5GiB"), Some(1_610_612_736));
        assert_eq!(bytes("0B"), Some(0));
        assert_eq!(bytes("12 apples"), None);
    }

    #[test]
    fn a_container_that_was_told_to_end_is_told_from_one_that_died() {
        let ended = |code, lacked_memory| Container {
            id: String::new(),
            service: String::new(),
            phase: Phase::Exited {
                code,
                lacked_memory,
            },
            pid: 0,
            labels: BTreeMap::new(),
        };
        assert!(
            [0, 137, 143]
                .map(|code| ended(code, false).was_stopped())
                .iter()
                .all(|yes| *yes)
        );
        assert!(!ended(137, true).was_stopped() && !ended(1, false).was_stopped());
        assert!(ended(137, true).ending(137).contains("memory"));
    }
}
