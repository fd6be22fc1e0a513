//! The table of components and services, `stack.toml`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{IoContext as _, Result, failed};

const FILE: &str = "stack.toml";

/// Every program of the system, in the order in which they are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    pub components: Vec<Component>,
}

/// One program. Texts hold `${NAME}` variables of the instance's environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// As in compose, in `just logs NAME` and in labels.
    pub name: String,
    pub program: Program,
    /// The variable of `.env` with the pinned version; none for services.
    pub version: Option<String>,
    #[serde(default)]
    pub arguments: Vec<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Read at start only. Of a directory, everything below it.
    #[serde(default)]
    pub files: Vec<String>,
    /// The variables of the ports that it listens on.
    pub ports: Vec<String>,
    pub url: String,
    /// A target of [`probe::Probe`].
    pub ready: String,
    /// The variable of the port that Prometheus scrapes.
    pub metrics: Option<String>,
    #[serde(deserialize_with = "seconds")]
    pub start_within: Duration,
    #[serde(deserialize_with = "seconds")]
    pub stop_within: Duration,
    pub stop_step: u8,
    /// A component without which this one is not started.
    pub needs: Option<String>,
    /// What it means when the component is missing.
    #[serde(default)]
    pub absent: String,
    /// What its directory below the data directory holds.
    #[serde(default)]
    pub data: String,
    #[serde(default, rename = "overlay")]
    pub overlays: Vec<Overlay>,
    /// Of a service: the services that it calls.
    #[serde(skip)]
    pub calls: Vec<String>,
    /// Of a service: whether it has a database.
    #[serde(skip)]
    pub database: bool,
    /// Of a service: what it serves.
    #[serde(skip)]
    pub protocol: Option<Protocol>,
}

/// Where an executable comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Program {
    /// Built from Go modules of this repository ([`crate::TOOLS`]).
    Build { build: String },
    /// On `PATH`, or the file that a variable names.
    Path { path: String, variable: String },
    /// `bin/NAME` below the directory that a variable names.
    Home { home: String, variable: String },
    /// A crate of this workspace.
    #[default]
    #[serde(skip)]
    Service,
}

/// What a component gets in addition where another one is missing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    pub without: String,
    pub arguments: Vec<String>,
    pub files: Vec<String>,
    pub ports: Vec<String>,
}

/// What a service serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Http,
    Grpc,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    component: Vec<Component>,
    service_defaults: Defaults,
    service: Vec<Service>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    #[serde(deserialize_with = "seconds")]
    start_within: Duration,
    #[serde(deserialize_with = "seconds")]
    stop_within: Duration,
    environment: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    name: String,
    port: String,
    protocol: Protocol,
    #[serde(default)]
    database: bool,
    #[serde(default)]
    calls: Vec<String>,
    stop_step: u8,
}

// === impl Topology ===

impl Topology {
    /// Reads `stack.toml` of a checkout.
    pub fn read(root: &Path) -> Result<Self> {
        let path = root.join(FILE);
        let text = std::fs::read_to_string(&path).context("read", &path)?;
        Self::parse(&text, &path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let wrong = |reason: String| failed!("{}: {reason}", path.display());
        let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let services = &file.service;
        let port_of = |name: &str| Some(&services.iter().find(|s| s.name == name)?.port);
        let mut components = file.component;
        for service in services {
            let mut component = service.component(&file.service_defaults);
            for called in &service.calls {
                let port = port_of(called).ok_or_else(|| {
                    wrong(format!(
                        "{} calls `{called}`, which is no service",
                        service.name
                    ))
                })?;
                component.environment.insert(
                    format!("SHOP_{}_URL", called.to_uppercase()),
                    format!("http://${{BIND_HOST}}:${{{port}}}"),
                );
            }
            components.push(component);
        }
        let topology = Self { components };
        for component in &topology.components {
            let others = component.overlays.iter().map(|overlay| &overlay.without);
            for other in others.chain(&component.needs) {
                topology.component(other).map_err(|_| {
                    wrong(format!(
                        "{} names `{other}`, which is no component",
                        component.name
                    ))
                })?;
            }
            let name = &component.name;
            if topology
                .components
                .iter()
                .filter(|c| c.name == *name)
                .count()
                > 1
            {
                return Err(wrong(format!("two components are named `{name}`")));
            }
        }
        Ok(topology)
    }

    /// The shop's services.
    pub fn services(&self) -> impl Iterator<Item = &Component> {
        self.components
            .iter()
            .filter(|component| component.is_service())
    }

    /// What the services report to.
    pub fn stack(&self) -> impl Iterator<Item = &Component> {
        let components = self.components.iter();
        components.filter(|component| !component.is_service())
    }

    /// A component by its name.
    pub fn component(&self, name: &str) -> Result<&Component> {
        let mut components = self.components.iter();
        components
            .find(|component| component.name == name)
            .ok_or_else(|| {
                let known: Vec<_> = self
                    .components
                    .iter()
                    .map(|component| &*component.name)
                    .collect();
                failed!(
                    "there is no component `{name}`; there are {}",
                    known.join(", ")
                )
            })
    }

    /// What is stopped together, senders before receivers.
    #[must_use]
    pub fn stop_steps(&self) -> Vec<Vec<&Component>> {
        let mut steps: BTreeMap<u8, Vec<&Component>> = BTreeMap::new();
        for component in &self.components {
            steps
                .entry(component.stop_step)
                .or_default()
                .push(component);
        }
        steps.into_values().collect()
    }
}

// === impl Component ===

impl Component {
    /// One of the shop's services, rather than of the stack that they report to.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.program == Program::Service
    }

    /// The variable that names its program, if the machine has to bring it.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        match &self.program {
            Program::Path { variable, .. } | Program::Home { variable, .. } => Some(variable),
            Program::Build { .. } | Program::Service => None,
        }
    }
}

// === impl Service ===

impl Service {
    fn component(&self, defaults: &Defaults) -> Component {
        let port = &self.port;
        let mut environment = defaults.environment.clone();
        environment.insert(
            "SHOP_LISTEN_ADDR".into(),
            format!("${{BIND_HOST}}:${{{port}}}"),
        );
        Component {
            name: self.name.clone(),
            environment,
            ports: vec![port.clone()],
            url: format!("http://${{BIND_HOST}}:${{{port}}}"),
            ready: match self.protocol {
                Protocol::Http => format!("http://${{BIND_HOST}}:${{{port}}}/readyz"),
                Protocol::Grpc => format!("tcp://127.0.0.1:${{{port}}}"),
            },
            start_within: defaults.start_within,
            stop_within: defaults.stop_within,
            stop_step: self.stop_step,
            calls: self.calls.clone(),
            database: self.database,
            protocol: Some(self.protocol),
            ..Component::default()
        }
    }
}

fn seconds<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Duration, D::Error> {
    u64::deserialize(value).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> String {
        let root = crate::repository_root(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        std::fs::read_to_string(root.join(FILE)).unwrap()
    }

    fn parse(text: &str) -> Result<Topology> {
        Topology::parse(text, Path::new("/r/stack.toml"))
    }

    #[test]
    fn services_have_the_addresses_of_what_they_call_and_stop_before_it() {
        let topology = parse(&shipped()).unwrap();
        let order = topology.component("order").unwrap();
        let url = "http://${BIND_HOST}:${PRODUCT_PORT}";
        assert_eq!(order.environment["SHOP_PRODUCT_URL"], url);
        assert!(!order.environment.contains_key("SHOP_ORDER_URL"));
        for service in topology.services() {
            for called in &service.calls {
                let called = topology.component(called).unwrap();
                assert!(service.stop_step < called.stop_step, "{}", service.name);
            }
        }
        assert_eq!(topology.stop_steps()[0][0].name, "gateway");
    }

    #[test]
    fn errors_name_the_file_and_the_line_or_the_entry() {
        let shipped = shipped();
        for (old, new, expected) in [
            ("needs = \"loki\"", "needz = \"loki\"", "at line 1"),
            (
                "needs = \"loki\"",
                "needs = \"lokey\"",
                "promtail names `lokey`",
            ),
            (
                "\"inventory\", \"order\"]",
                "\"stock\"]",
                "gateway calls `stock`",
            ),
            (
                "name = \"gateway\"",
                "name = \"tempo\"",
                "two components are named `tempo`",
            ),
            (
                "variable = \"TEMPO_BIN\"",
                "varable = \"TEMPO_BIN\"",
                "at line ",
            ),
        ] {
            let changed = shipped.replacen(old, new, 1);
            assert_ne!(changed, shipped, "{old}");
            let error = parse(&changed).unwrap_err().to_string();
            assert!(
                error.contains("/r/stack.toml") && error.contains(expected),
                "{new}: {error}"
            );
        }
    }
}
