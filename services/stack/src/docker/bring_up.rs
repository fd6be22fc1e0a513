//! Starting containers: images, our binaries, then compose; each component is told as it becomes ready.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::choice::Docker;
use super::compose::Compose;
use super::container::{Container, Phase};
use crate::component::{COMPONENTS, Component, component};
use crate::error::{Error, IoContext as _, Result};
use crate::instance::{Instance, TraceStore};
use crate::job::{Job, Work};
use crate::process::tail;
use crate::report::{Event, Silent};

/// How often the engine is asked while containers start: each question costs it some milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A component on its way.
struct Task {
    component: &'static Component,
    /// Its container of before, if one was left: that it has ended is no news.
    earlier: Option<String>,
    running_since: Option<Instant>,
    is_ready: bool,
}

impl Instance {
    /// Whether anything had to be started. What runs already is left alone.
    pub(crate) fn bring_up_containers(
        &self,
        docker: &Docker,
        wanted: &[&'static Component],
    ) -> Result<bool> {
        let places = self.places()?;
        let runs = |component: &&Component| {
            places
                .container(component.name)
                .is_some_and(Container::is_running)
        };
        let mut missing: Vec<_> = wanted.iter().copied().filter(|c| !runs(c)).collect();
        if missing.is_empty() {
            return Ok(false);
        }
        self.prepare_files()?;
        let compose = |is_archived| Compose {
            instance: self,
            docker,
            is_archived,
        };
        // Before minutes of pulling and building.
        self.write_targets(docker)?;
        let project = compose(false).project()?;
        for component in &missing {
            self.require_free(component, &project.ports_of(component, self))?;
        }
        self.fetch_images(docker, &missing)?;
        missing.retain(|component| match self.obstacle(component) {
            Some(remedy) => {
                self.note_absence(component, remedy);
                false
            }
            None => true,
        });
        if missing.is_empty() {
            return Ok(false);
        }
        let is_archived = matches!(self.traces_inside(docker), TraceStore::Archive(_));
        if is_archived {
            self.prepare_archive()?;
        }
        self.write_targets(docker)?;
        let compose = compose(is_archived);
        // All of them or none: cargo would build what they share anew for each other set.
        let services: Vec<_> = COMPONENTS
            .iter()
            .filter(|component| component.is_service() && missing.iter().any(|c| c.is_service()))
            .map(|component| component.name)
            .collect();
        self.provide_prebuilt(&services)?;
        let built: Vec<_> = missing
            .iter()
            .map(|component| component.name)
            .filter(|name| project.builds(name))
            .collect();
        if !built.is_empty() {
            let job = self.compose_job(&compose, &["build"], &built, "images");
            job.run(&*self.report, &AtomicBool::new(false))?;
        }
        let tasks = missing.iter().map(|&component| Task {
            component,
            earlier: places
                .container(component.name)
                .map(|container| container.id.clone()),
            running_since: None,
            is_ready: false,
        });
        self.start_containers(docker, &compose, tasks.collect())?;
        Ok(true)
    }

    fn start_containers(
        &self,
        docker: &Docker,
        compose: &Compose<'_>,
        mut tasks: Vec<Task>,
    ) -> Result<()> {
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
            let compose = scope.spawn(|| job.run(&Silent, &cancelled));
            let result = loop {
                let has_ended = compose.is_finished();
                let containers = match docker.containers() {
                    Ok(containers) => containers,
                    Err(error) => break Err(error),
                };
                let seen = tasks
                    .iter_mut()
                    .try_for_each(|task| self.look_at(docker, task, &containers, has_ended));
                match seen {
                    Err(error) => break Err(error),
                    Ok(()) if tasks.iter().all(|task| task.is_ready) => break Ok(()),
                    Ok(()) => {}
                }
                let is_stuck = tasks.iter().any(|task| task.running_since.is_none());
                if has_ended && is_stuck {
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
        compose_has_ended: bool,
    ) -> Result<()> {
        let component = task.component;
        let of_it = |container: &&Container| container.service == component.name;
        let Some(container) = containers.iter().find(of_it) else {
            return Ok(());
        };
        if task.is_ready {
            return Ok(());
        }
        if container.is_running() && task.running_since.is_none() {
            task.running_since = Some(Instant::now());
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
                        || compose_has_ended;
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
        // In place, as a container that has the file keeps this very one.
        fs::write(&place, without(&text, &absent)?).context("write", &place)
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
