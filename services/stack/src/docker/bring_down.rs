//! Stopping containers, and forgetting what their volumes hold.

use std::thread;
use std::time::{Duration, Instant};

use super::choice::Docker;
use super::compose::Compose;
use super::container::{Container, Phase};
use super::engine::succeed;
use crate::component::Component;
use crate::error::Result;
use crate::instance::Instance;
use crate::report::Event;

/// What each named volume of the compose file holds.
const VOLUMES: &[(&str, &str)] = &[
    ("otel-collector", "the Collector's queue"),
    ("tempo", "traces"),
    ("prometheus", "metrics"),
    ("loki", "logs"),
    ("promtail", "how far Promtail has read"),
    ("grafana", "Grafana's settings"),
    ("shop-data", "the shop's databases"),
    ("shop-logs", "the log files of services in containers"),
];

impl Instance {
    /// SIGTERM to all of them at once, then their own time to end. They stay, with their output, until `down`.
    pub(crate) fn stop_containers(
        &self,
        docker: &Docker,
        components: &[(&Component, Container)],
    ) -> Result<()> {
        for (component, _) in components {
            self.report.event(&Event::Stopping {
                component: component.name,
            });
        }
        let started = Instant::now();
        let stop = |container: &Container| {
            let result = docker.engine.ask(&["stop", &container.id]);
            result.map(|_| started.elapsed())
        };
        let stops: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = components
                .iter()
                .map(|(_, container)| scope.spawn(move || stop(container)))
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or(Ok(Duration::ZERO))
            };
            threads.into_iter().map(join).collect()
        });
        let after = docker.containers()?;
        for ((component, container), elapsed) in components.iter().zip(stops) {
            let now = after.iter().find(|now| now.id == container.id);
            self.report.event(&Event::Stopped {
                component: component.name,
                elapsed: elapsed?,
                killed: now.is_some_and(|now| matches!(now.phase, Phase::Exited { code: 137, .. })),
            });
        }
        Ok(())
    }

    /// Containers and networks; the volumes stay.
    pub(crate) fn remove_containers(&self, docker: &Docker) -> Result<()> {
        if docker.containers()?.is_empty() {
            return Ok(());
        }
        let compose = Compose {
            instance: self,
            docker,
            is_archived: false,
        };
        succeed(
            compose.command(&["down", "--remove-orphans"]),
            "compose down",
        )
        .map(drop)
    }

    /// The volumes, each named with what it held.
    pub(crate) fn forget_volumes(&self, docker: &Docker) -> Result<()> {
        let filter = format!("label={}={}", super::container::PROJECT, docker.project);
        let names = docker
            .engine
            .ask(&["volume", "ls", "--quiet", "--filter", &filter])?;
        for name in names.lines() {
            docker.engine.ask(&["volume", "rm", name])?;
            let held = held(name, &docker.project);
            self.report
                .event(&Event::Note(&format!("forgotten: {held} (volume {name})")));
        }
        Ok(())
    }
}

fn held(volume: &str, project: &str) -> &'static str {
    let name = volume
        .strip_prefix(project)
        .and_then(|rest| rest.strip_prefix('_'));
    let known = VOLUMES.iter().find(|(known, _)| Some(*known) == name);
    known.map_or("data of an earlier version", |(_, held)| held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_volume_held_is_told_by_its_name_in_the_project() {
        assert_eq!(held("otel-shop_tempo", "otel-shop"), "traces");
        assert_eq!(held("mine_shop-data", "mine"), "the shop's databases");
        assert_eq!(held("mine_other", "mine"), "data of an earlier version");
    }

    #[test]
    fn every_volume_of_the_compose_file_is_described() {
        let root =
            crate::repository_root(std::path::Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let text = std::fs::read_to_string(root.join("docker-compose.yml")).unwrap();
        let file: yaml_serde::Value = yaml_serde::from_str(&text).unwrap();
        let volumes = file["volumes"].as_mapping().unwrap();
        let mut names: Vec<_> = volumes
            .iter()
            .map(|(name, _)| name.as_str().unwrap())
            .collect();
        let mut described: Vec<_> = VOLUMES.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        described.sort_unstable();
        assert_eq!(names, described);
    }
}
