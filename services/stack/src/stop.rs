//! Stopping: senders before receivers, so that the last telemetry still arrives.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::docker::FOREIGN;
use crate::error::{Error, IoContext as _, Result};
use crate::instance::Instance;
use crate::process::{Identity, Stopped};
use crate::start::does_not_end;
use crate::state::{Lock, State};
use crate::topology::Component;

/// What `down` does with the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volumes {
    Keep,
    Forget,
}

/// The instance is in use until this is dropped, or its process ends.
#[derive(Debug)]
#[must_use = "the instance is free again when it is dropped"]
pub struct Hold {
    _lock: Lock,
}

impl Instance {
    /// The shop's services; the stack stays.
    pub fn stop(&self) -> Result<()> {
        self.stop_where(Component::is_service)
    }

    /// Everything, and the variables that the start has written down. Data stays unless it is to be forgotten. With the
    /// main instance goes what interrupted checks and drills have left running below its directory.
    pub fn down(&self, volumes: Volumes) -> Result<()> {
        self.stop_where(|_| true)?;
        let exclusive = self.exclusive()?;
        let mut state = self.state()?;
        if state.docker && volumes == Volumes::Forget {
            self.compose_run(&["down", "--volumes"], &[])?;
        } else if state.docker {
            self.compose_run(&["down"], &[])?;
        } else if self.docker {
            self.report.note(FOREIGN);
        }
        if volumes == Volumes::Forget {
            self.forget()?;
        }
        if state.docker || !state.variables.is_empty() {
            state.docker = false;
            state.variables.clear();
            state.write()?;
        }
        drop(exclusive);
        match self.choice.is_some() {
            true => self.stop_leftovers(volumes),
            false => Ok(()),
        }
    }

    /// SIGTERM, the component's time to end, then SIGKILL to its group.
    pub fn stop_component(&self, name: &str) -> Result<()> {
        let chosen = self.topology.component(name)?;
        self.stop_where(|component| component.name == chosen.name)
    }

    /// SIGKILL to its group at once, as a crash would end it. It stays away until `start_component`.
    pub fn kill_component(&self, name: &str) -> Result<()> {
        let component = self.topology.component(name)?;
        let _exclusive = self.exclusive()?;
        let mut state = self.state()?;
        if self.is_inside(component) {
            self.require_choice()?;
            return self.compose_output(&["kill", name]).map(drop);
        }
        if let Some(record) = state.last(name)
            && record.identity.kill() == Stopped::Never
        {
            return Err(does_not_end(name, record.identity.pid));
        }
        state.remove(&[name])
    }

    /// Takes the instance for as long as it has to stay as it is: no other process can hold it then, and `down` of the
    /// main instance leaves it alone. It starts and stops nothing.
    pub fn hold(&self) -> Result<Hold> {
        Lock::take(&self.home.join("held")).map(|lock| Hold { _lock: lock })
    }

    fn stop_where(&self, chosen: impl Fn(&Component) -> bool) -> Result<()> {
        let _exclusive = self.exclusive()?;
        let mut state = self.state()?;
        let mut is_idle = true;
        for mut step in self.topology.stop_steps() {
            step.retain(|component| chosen(component));
            is_idle &= !self.stop_processes(&step, &mut state)?;
            step.retain(|component| state.docker && self.is_inside(component));
            if !step.is_empty() {
                is_idle = false;
                self.compose_run(&["stop"], &step)?;
            }
        }
        if is_idle {
            self.report.note("nothing is running");
        }
        Ok(())
    }

    /// All of them at the same time. Whether there were any.
    pub(crate) fn stop_processes(
        &self,
        components: &[&Component],
        state: &mut State,
    ) -> Result<bool> {
        let recorded: Vec<_> = components
            .iter()
            .filter_map(|component| {
                Some((*component, state.last(&component.name)?.identity.clone()))
            })
            .collect();
        if recorded.is_empty() {
            return Ok(false);
        }
        let names: Vec<_> = recorded
            .iter()
            .map(|(component, _)| &*component.name)
            .collect();
        let marked = state.mark_stopping(&names);
        for name in &names {
            self.report.line(&format!("stopping {name}"));
        }
        let mut ended = Vec::new();
        let mut remains = None;
        for ((component, identity), (how, after)) in recorded.iter().zip(stop_together(&recorded)) {
            if how == Stopped::Never {
                remains = Some(does_not_end(&component.name, identity.pid));
                continue;
            }
            ended.push(&*component.name);
            self.report
                .stopped(&component.name, after, how == Stopped::Killed);
        }
        // No reason to leave the rest running: stopping it may be what makes room on a full disk.
        if let Err(error) = marked.and(state.remove(&ended)) {
            self.report.note(&error.to_string());
        }
        remains.map_or(Ok(true), Err)
    }

    fn forget(&self) -> Result<()> {
        let data = self.data_dir();
        if data.exists() {
            let held = self.topology.components.iter();
            let held = held.filter(|c| !c.data.is_empty() && data.join(&c.name).exists());
            let mut held: Vec<_> = held.map(|component| &*component.data).collect();
            for (dir, what) in [
                ("archive", "the Collector's archive"),
                ("archive-docker", "the Collector's archive"),
                ("shop", "the shop's databases"),
            ] {
                held.extend(data.join(dir).exists().then_some(what));
            }
            fs::remove_dir_all(&data).context("remove", &data)?;
            self.report.note(&format!(
                "removed: {} ({})",
                held.join(", "),
                data.display()
            ));
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
                self.report.note(&format!(
                    "removed: {} log files in {}",
                    files.len(),
                    dir.display()
                ));
            }
        }
        Ok(())
    }

    /// Stops what interrupted checks and drills have left behind.
    fn stop_leftovers(&self, volumes: Volumes) -> Result<()> {
        let entries = fs::read_dir(&self.home).into_iter().flatten().flatten();
        for home in entries
            .map(|entry| entry.path())
            .filter(|path| path.join("state.json").is_file())
        {
            let left = Self::isolated(&self.root, &home)?.with_report(Arc::clone(&self.report));
            let state = left.state()?;
            let runs = |component: &Component| {
                state
                    .last(&component.name)
                    .is_some_and(|record| record.identity.has_processes())
            };
            if !self.topology.components.iter().any(runs) {
                continue;
            }
            match left.hold() {
                Ok(_held) => {
                    self.report.note(&format!(
                        "stopping what an interrupted run has left in {}",
                        home.display()
                    ));
                    left.down(volumes)?;
                }
                Err(Error::Busy { what, holder }) => {
                    self.report
                        .note(&format!("left running: {what} is in use by pid {holder}"));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }
}

fn stop_together(processes: &[(&Component, Identity)]) -> Vec<(Stopped, Duration)> {
    let stop = |(component, identity): &(&Component, Identity)| {
        let started = Instant::now();
        (identity.stop(component.stop_within), started.elapsed())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = processes
            .iter()
            .map(|process| scope.spawn(move || stop(process)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|result| result.unwrap_or((Stopped::Never, Duration::ZERO)))
            .collect()
    })
}

fn matching(dir: &Path, prefix: &'static str) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let files = entries.filter(move |entry| {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        is_file && entry.file_name().to_string_lossy().starts_with(prefix)
    });
    files.map(|entry| entry.path())
}
