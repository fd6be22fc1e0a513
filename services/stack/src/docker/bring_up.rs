//! Starting containers: images, our binaries, then compose; each component is told as it becomes ready.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::choice::Docker;
use super::compose::{Compose, Project};
use super::container::{Container, Phase};
use super::places::Places;
use crate::component::{COMPONENTS, Component, component};
use crate::error::{Error, IoContext as _, Result};
use crate::instance::{Instance, TraceStore};
use crate::job::{Job, Work};
use crate::process::tail;
use crate::report::{Event, Silent};
use crate::setup::Setup;
use crate::state::State;

/// How often the engine is asked while containers start: each question costs it some milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A component on its way.
struct Task {
    component: &'static Component,
    /// Its container of before, if one was left: that it has ended is no news.
    earlier: Option<String>,
    /// Compose makes it anew if its image or its settings are others now, and leaves it alone if not.
    ran_before: bool,
    running_since: Option<Instant>,
    is_ready: bool,
}

/// How compose came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Awaited,
    Good,
    Bad,
}

impl Instance {
    /// Whether anything had to be started. What runs already is left alone, except for services that were built anew.
    pub(crate) fn bring_up_containers(
        &self,
        docker: &Docker,
        wanted: &[&'static Component],
        state: &mut State,
    ) -> Result<bool> {
        if wanted.is_empty() {
            return Ok(false);
        }
        let places = self.places()?;
        let runs = |component: &Component| {
            let container = places.container(component.name);
            container.is_some_and(Container::is_running)
        };
        let (mut chosen, left): (Vec<_>, Vec<_>) = wanted
            .iter()
            .copied()
            .partition(|component| component.is_service() || !runs(component));
        self.prepare_files()?;
        let compose = |is_archived| Compose {
            instance: self,
            docker,
            is_archived,
        };
        // Before minutes of pulling and building.
        self.write_targets(docker)?;
        let project = compose(false).project()?;
        for component in left {
            self.note_outdated(component, &places, &project, state)?;
        }
        for component in chosen.iter().filter(|component| !runs(component)) {
            self.require_free(component, &project.ports_of(component, self))?;
        }
        self.fetch_images(docker, &chosen)?;
        chosen.retain(|component| match self.obstacle(component) {
            Some(remedy) => {
                self.note_absence(component, remedy);
                false
            }
            None => true,
        });
        if chosen.is_empty() {
            return Ok(false);
        }
        let is_archived = matches!(self.traces_inside(docker), TraceStore::Archive(_));
        if is_archived {
            self.prepare_archive()?;
        }
        self.write_targets(docker)?;
        let compose = compose(is_archived);
        self.build_images(&compose, &project, &chosen)?;
        let tasks = chosen.iter().map(|&component| Task {
            component,
            earlier: places
                .container(component.name)
                .map(|container| container.id.clone()),
            ran_before: runs(component),
            running_since: None,
            is_ready: false,
        });
        self.keep_variables(None, state)?;
        let has_started = self.start_containers(docker, &compose, tasks.collect())?;
        self.keep_setups(docker, &chosen, &project, state)?;
        Ok(has_started)
    }

    /// Our own: the services', and thin layers over others.
    fn build_images(
        &self,
        compose: &Compose<'_>,
        project: &Project,
        chosen: &[&'static Component],
    ) -> Result<()> {
        // All of them or none: cargo would build what they share anew for each other set.
        let services: Vec<_> = COMPONENTS
            .iter()
            .filter(|component| component.is_service() && chosen.iter().any(|c| c.is_service()))
            .map(|component| component.name)
            .collect();
        self.provide_prebuilt(&services)?;
        let built: Vec<_> = chosen
            .iter()
            .map(|component| component.name)
            .filter(|name| project.builds(name))
            .collect();
        if !built.is_empty() {
            let job = self.compose_job(compose, &["build"], &built, "images");
            job.run(&*self.report, &AtomicBool::new(false))?;
        }
        Ok(())
    }

    fn keep_setups(
        &self,
        docker: &Docker,
        started: &[&'static Component],
        project: &Project,
        state: &mut State,
    ) -> Result<()> {
        let containers = docker.containers()?;
        let mut setups = BTreeMap::new();
        for component in started {
            let mut all = containers.iter();
            if let Some(container) = all.find(|one| one.service == component.name) {
                let setup = self.setup_of_container(component, project)?;
                setups.insert(container.id.clone(), setup);
            }
        }
        state.keep_containers(setups, |id| containers.iter().any(|one| one.id == id))
    }

    /// Its files are mounted: compose does not see that their content is another.
    fn setup_of_container(&self, component: &Component, project: &Project) -> Result<Setup> {
        let mut setup = self.setup_of_files(component)?;
        setup.add(
            "its part of docker-compose.yml",
            &project.text(component.name),
        );
        Ok(setup)
    }

    fn note_outdated(
        &self,
        component: &Component,
        places: &Places,
        project: &Project,
        state: &State,
    ) -> Result<()> {
        let container = places.container(component.name);
        let before = container.and_then(|container| state.setup_of_container(&container.id));
        let now = self.setup_of_container(component, project)?;
        if let Some(difference) = before.and_then(|before| before.difference(&now)) {
            self.report.event(&Event::Note(&format!(
                "{}: {difference} since its start; `just down`, then `just run` takes it over",
                component.name
            )));
        }
        Ok(())
    }

    /// Whether any is another one than before.
    fn start_containers(
        &self,
        docker: &Docker,
        compose: &Compose<'_>,
        mut tasks: Vec<Task>,
    ) -> Result<bool> {
        let names: Vec<_> = tasks.iter().map(|task| task.component.name).collect();
        // Exactly these: what has no image must not come in as a dependency.
        let arguments = [
            "up",
            "--detach",
            "--no-deps",
            "--no-build",
            "--pull",
            "never",
        ];
        let job = self.compose_job(compose, &arguments, &names, "containers");
        let log = job.log.clone();
        let cancelled = AtomicBool::new(false);
        thread::scope(|scope| {
            // It waits until each is healthy that another one depends on.
            let mut compose = Some(scope.spawn(|| job.run(&Silent, &cancelled)));
            let mut ending = Ending::Awaited;
            let result = loop {
                if let Some(ended) = compose.take_if(|compose| compose.is_finished()) {
                    ending = match ended.join() {
                        Ok(Ok(())) => Ending::Good,
                        _ => Ending::Bad,
                    };
                }
                let containers = match docker.containers() {
                    Ok(containers) => containers,
                    Err(error) => break Err(error),
                };
                let seen = tasks
                    .iter_mut()
                    .try_for_each(|task| self.look_at(docker, task, &containers, ending));
                match seen {
                    Err(error) => break Err(error),
                    Ok(()) if tasks.iter().all(|task| task.is_ready) => {
                        break Ok(tasks.iter().any(|task| task.running_since.is_some()));
                    }
                    Ok(()) => {}
                }
                let mut tasks = tasks.iter();
                let is_stuck = tasks.any(|task| !task.is_ready && task.running_since.is_none());
                if ending != Ending::Awaited && is_stuck {
                    let name = names.join(", ");
                    break Err(Error::Compose {
                        what: format!("start {name}"),
                        tail: tail(&log, 0, 15),
                        log: log.clone(),
                    });
                }
                thread::park_timeout(LOOK_EVERY);
            };
            cancelled.store(result.is_err(), Ordering::Relaxed);
            result
        })
    }

    fn look_at(
        &self,
        docker: &Docker,
        task: &mut Task,
        containers: &[Container],
        compose: Ending,
    ) -> Result<()> {
        let component = task.component;
        let of_it = |container: &&Container| container.service == component.name;
        let Some(container) = containers.iter().find(of_it) else {
            return Ok(());
        };
        if task.is_ready {
            return Ok(());
        }
        if task.ran_before && task.earlier.as_ref() == Some(&container.id) {
            task.is_ready = compose == Ending::Good;
            return Ok(());
        }
        if container.is_running() && task.running_since.is_none() {
            task.running_since = Some(Instant::now());
            if task.ran_before {
                let name = component.name;
                let note = format!("restarting {name}: it was built anew, or its settings changed");
                self.report.event(&Event::Note(&note));
            }
            self.report.event(&Event::Starting {
                component: component.name,
            });
        }
        let after = task
            .running_since
            .map_or(Duration::ZERO, |since| since.elapsed());
        let not_ready = |state: String| {
            let log = self.save_output(docker, container);
            Err(Error::NotReady {
                component: component.name.to_owned(),
                after,
                state,
                tail: tail(&log, 0, 15),
                log,
            })
        };
        match self.readiness(component, container)? {
            Ok(()) => {
                task.is_ready = true;
                let url = self.environment.expand(component.url)?;
                self.report.event(&Event::Ready {
                    component: component.name,
                    elapsed: after,
                    url: &url,
                });
                Ok(())
            }
            Err(state) if matches!(container.phase, Phase::Unhealthy(_)) => not_ready(state),
            Err(state) if after > component.start_within => not_ready(state),
            Err(_) => match container.phase {
                Phase::Restarting(code) | Phase::Exited { code, .. } => {
                    let is_news = task.running_since.is_some()
                        || task.earlier.as_ref() != Some(&container.id)
                        || compose != Ending::Awaited;
                    if is_news {
                        Err(self.ended(docker, container, code))
                    } else {
                        Ok(())
                    }
                }
                _ => Ok(()),
            },
        }
    }

    /// One that ends at its start would be started again and again.
    fn ended(&self, docker: &Docker, container: &Container, code: i64) -> Error {
        let log = self.save_output(docker, container);
        // Ended for good meanwhile is as good.
        drop(docker.engine.ask(&["stop", &container.id]));
        Error::Exited {
            component: container.service.clone(),
            status: container.ending(code),
            tail: tail(&log, 0, 15),
            log,
        }
    }

    fn compose_job(
        &self,
        compose: &Compose<'_>,
        arguments: &[&str],
        names: &[&str],
        what: &'static str,
    ) -> Job {
        Job {
            work: Work::Build,
            what,
            command: compose.command(&[arguments, names].concat()),
            log: self.home.join(format!("logs/compose-{what}.txt")),
        }
    }

    /// What Prometheus scrapes inside; the shipped list without what is not started.
    pub(crate) fn targets_file(&self) -> PathBuf {
        self.home.join("prometheus/targets.docker.json")
    }

    fn write_targets(&self, docker: &Docker) -> Result<()> {
        let shipped = self.root.join("grafana/prometheus/targets.json");
        let text = fs::read_to_string(&shipped).context("read", &shipped)?;
        let absent: BTreeSet<_> = super::images::OPTIONAL
            .iter()
            .filter_map(|(name, _)| component(name).ok())
            .filter(|component| self.obstacle_inside(docker, component).is_some())
            .map(|component| component.name)
            .collect();
        let place = self.targets_file();
        let targets = without(&text, &absent)?;
        if fs::read_to_string(&place).is_ok_and(|present| present == targets) {
            return Ok(());
        }
        // In place, as a container that has the file keeps this very one.
        fs::write(&place, targets).context("write", &place)
    }

    /// A directory of the caller, or of the Collector's user where the caller is root.
    fn prepare_archive(&self) -> Result<()> {
        const COLLECTOR: u32 = 10001;
        let place = self.archive_mount();
        fs::create_dir_all(&place).context("create", &place)?;
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&place, Some(COLLECTOR), Some(COLLECTOR))
                .context("give away", &place)?;
        }
        Ok(())
    }
}

fn without(targets: &str, absent: &BTreeSet<&str>) -> Result<String> {
    let mut groups: Vec<serde_json::Value> = super::container::read("targets.json", targets)?;
    groups.retain(|group| {
        !group["labels"]["component"]
            .as_str()
            .is_some_and(|name| absent.contains(name))
    });
    Ok(format!("{:#}\n", serde_json::Value::from(groups)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_started_is_no_target() {
        let shipped = r#"[{"targets":["tempo:1"],"labels":{"component":"tempo"}},
            {"targets":["loki:1"],"labels":{"component":"loki"}}]"#;
        let left = without(shipped, &BTreeSet::from(["tempo"])).unwrap();
        assert!(left.contains("loki:1") && !left.contains("tempo"), "{left}");
        assert!(
            without(shipped, &BTreeSet::new())
                .unwrap()
                .contains("tempo:1")
        );
    }
}
