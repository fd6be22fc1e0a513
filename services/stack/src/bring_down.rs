//! Stopping: senders before receivers, so that the last telemetry still arrives.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::component::{COMPONENTS, Component, component};
use crate::docker::Phase;
use crate::error::{Error, IoContext as _, Result};
use crate::instance::Instance;
use crate::process::{Identity, Stopped};
use crate::report::Event;
use crate::state::State;

/// What `down` does with the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volumes {
    Keep,
    Forget,
}

/// Each step is stopped at once, after the one before it: requests drain from the edge inwards, then the Collector
/// empties its queues into backends that still run. Tempo's 31 s are not added to the others'.
const STEPS: &[&[&str]] = &[
    &["gateway"],
    &["order"],
    &["product", "inventory"],
    &["otel-collector", "promtail"],
    &["tempo", "prometheus", "loki", "grafana"],
];

impl Instance {
    /// The four services; the stack stays.
    pub fn stop(&self) -> Result<()> {
        self.stop_where(Component::is_service)
    }

    /// Everything, and what was remembered of the shell that started it. Data stays unless it is to be forgotten. With
    /// the main one goes what interrupted checks and drills have left running below its directory.
    pub fn down(&self, volumes: Volumes) -> Result<()> {
        self.stop_where(|_| true)?;
        if let Some(docker) = &self.docker {
            self.remove_containers(docker)?;
            if volumes == Volumes::Forget {
                self.forget_volumes(docker)?;
            }
        }
        if volumes == Volumes::Forget {
            self.forget()?;
        }
        self.forget_start()?;
        if self.choice.is_some() {
            self.stop_leftovers(volumes)?;
        }
        Ok(())
    }

    fn forget_start(&self) -> Result<()> {
        let _exclusive = self.exclusive()?;
        self.state()?.forget()
    }

    /// SIGTERM, the component's time to end, then SIGKILL to its group.
    pub fn stop_component(&self, name: &str) -> Result<()> {
        let chosen = component(name)?;
        self.stop_where(|component| component.name == chosen.name)
    }

    /// SIGKILL to its group at once, as a crash would end it. A container comes back by itself, as after a crash;
    /// unless its process is not ours to signal, as for a user who is not root: then it stays away, and only
    /// `start_component` brings it back.
    pub fn kill_component(&self, name: &str) -> Result<()> {
        let component = component(name)?;
        let _exclusive = self.exclusive()?;
        if let Some(docker) = &self.docker {
            let places = self.places()?;
            if places.is_inside(component) {
                let container = places
                    .container(name)
                    .filter(|container| container.is_running());
                return container
                    .map_or(Ok(()), |container| self.kill_container(docker, container));
            }
        }
        let mut state = self.state()?;
        if let Some(record) = state.last(component.name)
            && record.identity.kill() == Stopped::Never
        {
            return Err(Error::DoesNotEnd {
                component: name.to_owned(),
                pid: record.identity.pid,
            });
        }
        state.remove(&[component.name])
    }

    fn stop_where(&self, chosen: impl Fn(&Component) -> bool) -> Result<()> {
        let _exclusive = self.exclusive()?;
        let mut state = self.state()?;
        let places = self.places()?;
        let mut is_idle = true;
        for step in STEPS {
            if let Some(docker) = &self.docker {
                let in_step = COMPONENTS
                    .iter()
                    .filter(|c| step.contains(&c.name) && chosen(c));
                let running: Vec<_> = in_step
                    .filter_map(|component| {
                        let container = places.container(component.name)?;
                        // One that is being started again would otherwise be.
                        let is_live = !matches!(container.phase, Phase::Exited { .. });
                        is_live.then(|| (component, container.clone()))
                    })
                    .collect();
                is_idle &= running.is_empty();
                self.stop_containers(docker, &running)?;
            }
            let in_step =
                |component: &Component| step.contains(&component.name) && chosen(component);
            is_idle &= !self.stop_processes(in_step, &mut state)?;
        }
        if is_idle {
            self.report.event(&Event::Note("nothing runs"));
        }
        Ok(())
    }

    /// Those of one step, at once. Whether there were any.
    fn stop_processes(
        &self,
        chosen: impl Fn(&Component) -> bool,
        state: &mut State,
    ) -> Result<bool> {
        let recorded: Vec<_> = COMPONENTS
            .iter()
            .filter(|component| chosen(component))
            .filter_map(|component| Some((component, state.last(component.name)?.identity.clone())))
            .collect();
        if recorded.is_empty() {
            return Ok(false);
        }
        let names: Vec<_> = recorded.iter().map(|(c, _)| c.name).collect();
        let marked = state.mark_stopping(&names);
        for component in &names {
            self.report.event(&Event::Stopping { component });
        }
        let mut ended = Vec::new();
        let mut stays = None;
        let stops = stop_all(&recorded);
        for ((component, identity), (how, elapsed)) in recorded.iter().zip(stops) {
            let component = component.name;
            if how == Stopped::Never {
                stays = Some(Error::DoesNotEnd {
                    component: component.to_owned(),
                    pid: identity.pid,
                });
                continue;
            }
            ended.push(component);
            self.report.event(&Event::Stopped {
                component,
                elapsed,
                killed: how == Stopped::Killed,
            });
        }
        // No reason to leave the rest running: stopping it may be what makes room on a full disk.
        if let Err(error) = marked.and(state.remove(&ended)) {
            self.report.event(&Event::Note(&error.to_string()));
        }
        stays.map_or(Ok(true), Err)
    }

    /// The named processes, in the order of every stop.
    pub(crate) fn stop_in_order(&self, names: &[&str], state: &mut State) -> Result<()> {
        STEPS.iter().try_for_each(|step| {
            let in_step = |component: &Component| {
                step.contains(&component.name) && names.contains(&component.name)
            };
            self.stop_processes(in_step, state).map(drop)
        })
    }

    fn forget(&self) -> Result<()> {
        let _exclusive = self.exclusive()?;
        let data = self.data_dir();
        if data.exists() {
            let held = held(&data);
            fs::remove_dir_all(&data).context("remove", &data)?;
            self.report.event(&Event::Note(&format!(
                "forgotten: {held} ({})",
                data.display()
            )));
        }
        // With Promtail's positions gone, old files would be read again as new.
        for (dir, prefix) in [
            (self.shop_log_dir(), "rust_app_"),
            (self.home.join("logs"), ""),
        ] {
            let files: Vec<_> = matching(&dir, prefix).collect();
            for file in &files {
                fs::remove_file(file).context("remove", file)?;
            }
            if !files.is_empty() {
                let note = format!("forgotten: {} log files in {}", files.len(), dir.display());
                self.report.event(&Event::Note(&note));
            }
        }
        Ok(())
    }
}

/// What the directories of the data hold, in words.
fn held(data: &Path) -> String {
    const KNOWN: &[(&str, &str)] = &[
        ("archive", "traces"),
        ("archive-docker", "traces and the Collector's queue"),
        ("grafana", "Grafana's settings"),
        ("loki", "logs"),
        ("otel-collector", "the Collector's queue"),
        ("prometheus", "metrics"),
        ("promtail", "how far Promtail has read"),
        ("shop", "the shop's databases"),
        ("tempo", "traces"),
    ];
    let is_there = |(name, _): &&(&str, &str)| data.join(name).exists();
    let held: Vec<_> = KNOWN
        .iter()
        .filter(is_there)
        .map(|(_, held)| *held)
        .collect();
    if held.is_empty() {
        return "nothing but empty directories".to_owned();
    }
    held.join(", ")
}

/// All at the same time.
fn stop_all(processes: &[(&Component, Identity)]) -> Vec<(Stopped, Duration)> {
    let stop = |(component, identity): &(&Component, Identity)| {
        let started = Instant::now();
        (identity.stop(component.stop_within), started.elapsed())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = processes
            .iter()
            .map(|process| scope.spawn(move || stop(process)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or((Stopped::Never, Duration::ZERO)))
            .collect()
    })
}

fn matching(dir: &Path, prefix: &'static str) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(move |entry| {
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            is_file && entry.file_name().to_string_lossy().starts_with(prefix)
        })
        .map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_told_by_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["shop", "archive-docker"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let told = held(dir.path());
        assert_eq!(
            told,
            "traces and the Collector's queue, the shop's databases"
        );
    }
}
