//! `docker compose`, with the files and variables of this instance.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use super::choice::Docker;
use super::container;
use crate::component::Component;
use crate::error::Result;
use crate::instance::Instance;
use crate::ports::Port;

const FILE: &str = "docker-compose.yml";
const ARCHIVE_OVERLAY: &str = "collector/archive.compose.yaml";

/// The Collector's own user, in its image.
const COLLECTOR_USER: &str = "10001:10001";

pub(crate) struct Compose<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) docker: &'a Docker,
    /// Without Tempo the Collector keeps the traces.
    pub(crate) is_archived: bool,
}

/// What the files amount to, with all variables filled in.
#[derive(Debug, Deserialize)]
pub(crate) struct Project {
    services: BTreeMap<String, Value>,
}

// === impl Compose ===

impl Compose<'_> {
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.docker.engine.command();
        command
            .current_dir(&self.instance.root)
            .args(global_arguments(&self.docker.project, self.is_archived))
            .args(arguments)
            .envs(self.environment());
        command
    }

    pub(crate) fn project(&self) -> Result<Project> {
        let output = super::engine::succeed(
            self.command(&["config", "--format", "json"]),
            "compose config",
        )?;
        container::read("compose config", &output)
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let instance = self.instance;
        let mut result: BTreeMap<_, _> = instance
            .environment
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut set = |name: &str, value: String| result.insert(name.to_owned(), value);
        set("BUILD", "prebuilt".to_owned());
        set("PROMETHEUS_TARGETS", text(&instance.targets_file()));
        if self.is_archived {
            set("ARCHIVE_DIR", text(&instance.archive_mount()));
            set("ARCHIVE_USER", archive_user());
        }
        if !self.docker.engine.has_buildx() {
            // Without the plugin, only the engine's own builder is there.
            set("DOCKER_BUILDKIT", "0".to_owned());
        }
        if let Some(containers) = self.docker.engine.containers_dir() {
            set("DOCKER_CONTAINERS", text(&containers));
        }
        // Links of the scenario page lead only to what is there. A variable that is set wins.
        if self.is_archived {
            result
                .entry("SHOP_TEMPO_URL".into())
                .or_insert_with(|| "none".into());
        }
        if !instance.has_image(self.docker, "grafana") {
            result.entry("SHOP_GRAFANA_URL".into()).or_default();
        }
        result
    }
}

// === impl Project ===

impl Project {
    /// Whether compose builds its image.
    pub(crate) fn builds(&self, name: &str) -> bool {
        self.services
            .get(name)
            .is_some_and(|service| !service["build"].is_null())
    }

    /// All that is said of a service.
    pub(crate) fn text(&self, name: &str) -> String {
        self.services
            .get(name)
            .map(Value::to_string)
            .unwrap_or_default()
    }

    /// The ports of this machine that a component gets, with the variables that move them.
    pub(crate) fn ports_of(&self, component: &Component, instance: &Instance) -> Vec<Port> {
        let service = self.services.get(component.name);
        let ports = service.and_then(|service| service["ports"].as_array());
        let published = ports.into_iter().flatten().filter_map(|port| {
            let number = port["published"].as_str()?;
            number.parse::<u16>().ok()
        });
        published
            .map(|number| {
                let mut names = component.ports.iter();
                let name = names.find(|name| {
                    instance
                        .environment
                        .port(name)
                        .is_ok_and(|port| port == number)
                });
                Port {
                    variable: name.map_or_else(|| FILE.to_owned(), |name| (*name).to_owned()),
                    number,
                }
            })
            .collect()
    }
}

/// Every service of the files is meant, also those of the profile: what is started is always named.
fn global_arguments(project: &str, is_archived: bool) -> Vec<&str> {
    let mut arguments = vec![
        "compose",
        "--project-name",
        project,
        "--profile",
        "services",
    ];
    arguments.extend(["--file", FILE]);
    if is_archived {
        arguments.extend(["--file", ARCHIVE_OVERLAY]);
    }
    arguments
}

/// The caller, who reads the archive; but never root.
fn archive_user() -> String {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return COLLECTOR_USER.to_owned();
    }
    format!("{}:{}", user.as_raw(), rustix::process::getegid().as_raw())
}

fn text(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::component;

    #[test]
    fn the_project_all_profiles_and_the_overlay_are_named() {
        assert_eq!(
            global_arguments("mine", false).join(" "),
            "compose --project-name mine --profile services --file docker-compose.yml"
        );
        assert!(
            global_arguments("mine", true).ends_with(&["--file", "collector/archive.compose.yaml"])
        );
    }

    #[test]
    fn builds_and_published_ports_are_read_with_the_variables_that_move_them() {
        let project: Project = serde_json::from_str(
            r#"{"name":"x","services":{
                "loki":{"image":"l","ports":[{"target":3100,"published":"14100"},{"target":1,"published":"9"},{"target":2}]},
                "promtail":{"build":{"context":"."},"ports":null}}}"#
                .replace(r#","ports":null"#, "")
                .as_str(),
        )
        .unwrap();
        assert!(project.builds("promtail") && !project.builds("loki") && !project.builds("tempo"));
        let dir = tempfile::tempdir().unwrap();
        let root =
            crate::repository_root(std::path::Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let instance = Instance::isolated(&root, dir.path())
            .unwrap()
            .with_variable("LOKI_PORT", "14100");
        let ports = project.ports_of(component("loki").unwrap(), &instance);
        let described: Vec<_> = ports
            .iter()
            .map(|port| (&*port.variable, port.number))
            .collect();
        assert_eq!(described, [("LOKI_PORT", 14100), ("docker-compose.yml", 9)]);
    }
}
