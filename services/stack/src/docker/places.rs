//! Which component is a container and which a process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::choice::Docker;
use super::container::Container;
use super::images;
use crate::component::{COMPONENTS, Component};
use crate::error::{Error, Result};
use crate::instance::{Instance, TraceStore};
use crate::presence::CAME_LATER;

/// As it is at one moment; everything is a process where Docker was not chosen.
#[derive(Debug, Default)]
pub(crate) struct Places {
    is_docker: bool,
    /// Where the services run, if they do.
    services_run_inside: Option<bool>,
    services_wanted_inside: bool,
    containers: BTreeMap<String, Container>,
}

// === impl Places ===

impl Places {
    /// Whether a component is a container, now or when it starts.
    pub(crate) fn is_inside(&self, component: &Component) -> bool {
        if !component.is_service() {
            return self.is_docker;
        }
        // Containers that were stopped and not removed are still what `logs` and `status` are about.
        let left = || self.containers.contains_key(component.name);
        self.is_docker
            && self
                .services_run_inside
                .unwrap_or_else(|| self.services_wanted_inside || left())
    }

    /// The container of a component, also one that has ended.
    pub(crate) fn container(&self, name: &str) -> Option<&Container> {
        self.containers.get(name)
    }

    pub(crate) fn containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.values()
    }

    /// Services of both kinds would fight for the same ports and the same stock.
    pub(crate) fn require_one_kind_of_services(&self) -> Result<()> {
        match self.services_run_inside {
            Some(true) if !self.services_wanted_inside => Err(Error::OtherServices {
                running: "as containers",
                wanted: "as processes (COMPOSE_PROFILES does not name `services`)",
            }),
            Some(false) if self.services_wanted_inside => Err(Error::OtherServices {
                running: "as processes",
                wanted: "as containers (COMPOSE_PROFILES names `services`)",
            }),
            _ => Ok(()),
        }
    }

    /// Whether the services that are about to be started are containers.
    pub(crate) fn starts_inside(&self, component: &Component) -> bool {
        self.is_docker
            && (!component.is_service()
                || self
                    .services_run_inside
                    .unwrap_or(self.services_wanted_inside))
    }
}

impl Instance {
    /// Looks where everything is.
    pub(crate) fn places(&self) -> Result<Places> {
        let Some(docker) = &self.docker else {
            return Ok(Places::default());
        };
        let containers: BTreeMap<_, _> = docker
            .containers()?
            .into_iter()
            .map(|container| (container.service.clone(), container))
            .collect();
        let state = self.state()?;
        let mut services = COMPONENTS.iter().filter(|component| component.is_service());
        let runs_inside = services.clone().any(|service| {
            let container = containers.get(service.name);
            container.is_some_and(Container::is_running)
        });
        let runs_outside = services.any(|service| state.alive(service.name).is_some());
        Ok(Places {
            is_docker: true,
            services_run_inside: (runs_inside || runs_outside).then_some(runs_inside),
            services_wanted_inside: docker.wants_services,
            containers,
        })
    }

    /// Where the Collector's container keeps everything where there is no Tempo; its `archive` has the traces.
    pub(crate) fn archive_mount(&self) -> PathBuf {
        self.data_dir().join("archive-docker")
    }

    /// A running Collector decides; else whether there is an image of Tempo.
    pub(crate) fn traces_inside(&self, docker: &Docker) -> TraceStore {
        let containers = docker.containers().unwrap_or_default();
        let of = |name: &str| {
            containers
                .iter()
                .find(|container| container.service == name)
        };
        let is_archived = match of("otel-collector").filter(|container| container.is_running()) {
            Some(collector) => collector.keeps_archive(),
            None => of("tempo").is_none() && !self.has_image(docker, "tempo"),
        };
        if is_archived {
            TraceStore::Archive(self.archive_mount().join("archive"))
        } else {
            TraceStore::Tempo
        }
    }

    /// What keeps a container from being started, if anything does.
    pub(crate) fn obstacle_inside(
        &self,
        docker: &Docker,
        component: &Component,
    ) -> Option<&'static str> {
        let optional = images::OPTIONAL
            .iter()
            .find(|(name, _)| *name == component.name);
        let (name, remedy) = optional?;
        let is_missing = match *name {
            "tempo" => matches!(self.traces_inside(docker), TraceStore::Archive(_)),
            name => !self.has_image(docker, name),
        };
        is_missing.then(|| match *name {
            "tempo" if self.has_image(docker, name) => CAME_LATER,
            _ => *remedy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::component;

    fn places(run_inside: Option<bool>, wanted_inside: bool) -> Places {
        Places {
            is_docker: true,
            services_run_inside: run_inside,
            services_wanted_inside: wanted_inside,
            containers: BTreeMap::new(),
        }
    }

    #[test]
    fn the_stack_is_inside_and_the_services_are_where_they_run_or_else_where_they_are_wanted() {
        let (loki, order) = (component("loki").unwrap(), component("order").unwrap());
        for (run_inside, wanted_inside, expected) in [
            (None, false, false),
            (None, true, true),
            (Some(true), false, true),
            (Some(false), true, false),
        ] {
            let places = places(run_inside, wanted_inside);
            assert!(places.is_inside(loki));
            assert_eq!(
                places.is_inside(order),
                expected,
                "{run_inside:?} {wanted_inside}"
            );
        }
        assert!(!Places::default().is_inside(loki), "nothing is, natively");
    }

    #[test]
    fn the_other_kind_of_services_is_refused_while_one_kind_runs() {
        for (run_inside, wanted_inside, is_refused) in [
            (None, true, false),
            (Some(true), true, false),
            (Some(false), false, false),
            (Some(true), false, true),
            (Some(false), true, true),
        ] {
            let result = places(run_inside, wanted_inside).require_one_kind_of_services();
            assert_eq!(
                result.is_err(),
                is_refused,
                "{run_inside:?} {wanted_inside}"
            );
            if let Err(error) = result {
                assert!(error.to_string().contains("just stop"), "{error}");
            }
        }
    }
}
