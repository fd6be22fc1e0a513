//! What a component is told: program, arguments, environment, and the files that it reads at its start.

use std::env;
use std::path::{Path, PathBuf};

use probe::Probe;

use crate::component::{
    ARCHIVE_ARGUMENT, ARCHIVE_FILE, ARCHIVE_PORT, Component, Ready, SERVICE_ENVIRONMENT,
};
use crate::environment::{Environment, is_setting_of_services};
use crate::error::Result;
use crate::instance::{COMPILERS, Instance, TraceStore};
use crate::ports::Port;
use crate::process::Launch;
use crate::setup::{self, Setup, Text};
use crate::state::Record;

/// Of the shell only what any program needs.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TZ",
    "TMPDIR",
    "RUST_BACKTRACE",
];

impl Instance {
    /// Everything that is needed to start a component.
    pub(crate) fn launch(&self, component: &Component, program: PathBuf) -> Result<Launch> {
        let mut arguments = component.arguments.to_vec();
        if self.keeps_archive(component) {
            arguments.push(ARCHIVE_ARGUMENT);
        }
        let expand = |template: &&str| self.environment.expand(template);
        Ok(Launch {
            program,
            arguments: arguments.iter().map(expand).collect::<Result<_>>()?,
            environment: self.environment_of(component)?,
            directory: self.root.clone(),
            log: self.process_log(component.name),
        })
    }

    /// The ports that a component will listen on.
    pub(crate) fn ports_of(&self, component: &Component) -> Result<Vec<Port>> {
        let archive = self.keeps_archive(component).then_some(ARCHIVE_PORT);
        let names = component.ports.iter().copied().chain(archive);
        names
            .map(|name| {
                Ok(Port {
                    variable: name.to_owned(),
                    number: self.environment.port(name)?,
                })
            })
            .collect()
    }

    pub(crate) fn probe_of(&self, component: &Component) -> Result<Probe> {
        Ok(match component.ready {
            Ready::Http { port, path } => Probe::Http {
                host: self
                    .environment
                    .get("BIND_HOST")
                    .unwrap_or("127.0.0.1")
                    .to_owned(),
                port: self.environment.port(port)?,
                path: path.to_owned(),
            },
            Ready::Listening => Probe::Listening {
                port: self.environment.port(component.ports[0])?,
            },
        })
    }

    /// What of a launch can change between two commands, and would take a restart.
    pub(crate) fn setup_of(&self, component: &Component, launch: &Launch) -> Result<Setup> {
        let mut setup = self.setup_of_files(component)?;
        setup.add("its command line", &launch.arguments.join("\n"));
        let texts = self.texts(component)?;
        let words: Vec<_> = texts
            .iter()
            .map(|text| setup::words(&text.content))
            .collect();
        for (name, value) in &launch.environment {
            let name = name.as_str();
            let is_read = component.is_service()
                || component.environment.iter().any(|(own, _)| *own == name)
                // The others get all of `.env`, and read what their files name.
                || words.iter().any(|words| words.contains(name));
            if is_read && !INHERITED.contains(&name) {
                setup.add(name, value);
            }
        }
        Ok(setup)
    }

    /// The files that it reads at its start.
    pub(crate) fn setup_of_files(&self, component: &Component) -> Result<Setup> {
        let mut setup = Setup::default();
        for text in self.texts(component)? {
            let below = text.path.strip_prefix(&self.root).unwrap_or(&text.path);
            setup.add(below.to_string_lossy(), &text.content);
        }
        Ok(setup)
    }

    fn texts(&self, component: &Component) -> Result<Vec<Text>> {
        let archive = self.keeps_archive(component).then_some(ARCHIVE_FILE);
        let mut texts = Vec::new();
        for template in component.files.iter().copied().chain(archive) {
            let place = self.environment.expand(template)?;
            texts.extend(setup::read_all(Path::new(&place)));
        }
        Ok(texts)
    }

    /// Why a running component is not what would be started now, if it is not.
    pub(crate) fn outdated(
        &self,
        component: &Component,
        record: &Record,
        program: &Path,
    ) -> Result<Option<String>> {
        let is_another = record.program != program && record.program != PathBuf::new();
        if is_another || record.identity.is_outdated(program) {
            let reason = match component.is_service() {
                true => "it was built anew",
                false => "its program is another one",
            };
            return Ok(Some(reason.to_owned()));
        }
        let launch = self.launch(component, program.to_owned())?;
        Ok(record.setup.difference(&self.setup_of(component, &launch)?))
    }

    fn keeps_archive(&self, component: &Component) -> bool {
        component.name == "otel-collector" && matches!(self.traces(), TraceStore::Archive(_))
    }

    fn environment_of(&self, component: &Component) -> Result<Vec<(String, String)>> {
        let mut result = Environment::default();
        for name in INHERITED {
            if let Ok(value) = env::var(name) {
                result.set(name, value);
            }
        }
        if component.is_service() {
            for (name, template) in SERVICE_ENVIRONMENT {
                result.set(name, self.environment.expand(template)?);
            }
            if !self.has("tempo") {
                result.set("SHOP_TEMPO_URL", "none");
            }
            if self.has("grafana") {
                result.set(
                    "SHOP_GRAFANA_URL",
                    self.environment
                        .expand("http://${BIND_HOST}:${GRAFANA_PORT}")?,
                );
            }
        }
        for (name, value) in self.environment.iter() {
            let is_for_it = match component.is_service() {
                true => is_setting_of_services(name),
                // An OTEL_* of the shell would make some backends trace themselves.
                false => {
                    let is_of_services = is_setting_of_services(name);
                    self.shared.contains(name) || !is_of_services && !COMPILERS.contains(&name)
                }
            };
            if is_for_it {
                result.set(name, value);
            }
        }
        for (name, template) in component.environment {
            result.set(name, self.environment.expand(template)?);
        }
        Ok(result
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::component::{COMPONENTS, component};

    /// An instance of the repository around this crate, with Tempo at `tempo`.
    fn instance(dir: &Path, tempo: &Path) -> Instance {
        let root = crate::repository_root(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let instance = Instance::isolated(&root, &dir.join("instance")).unwrap();
        instance.with_variable("TEMPO_BIN", &tempo.to_string_lossy())
    }

    fn environment_of(instance: &Instance, name: &str) -> Environment {
        let mut environment = Environment::default();
        for (name, value) in instance.environment_of(component(name).unwrap()).unwrap() {
            environment.set(&name, value);
        }
        environment
    }

    #[test]
    fn without_a_tempo_the_collector_takes_its_port_and_keeps_the_traces() {
        let dir = tempfile::tempdir().unwrap();
        let collector = component("otel-collector").unwrap();
        let described = |instance: &Instance| {
            let launch = instance.launch(collector, "otelcol".into()).unwrap();
            let ports = instance.ports_of(collector).unwrap();
            let has_port = ports
                .iter()
                .any(|port| port.variable == "TEMPO_OTLP_HTTP_PORT");
            (launch.arguments.len(), has_port)
        };
        let without = instance(dir.path(), &dir.path().join("absent"));
        assert_eq!(
            without.traces(),
            TraceStore::Archive(without.data_dir().join("archive"))
        );
        assert_eq!(described(&without), (2, true));
        assert!(
            !without.targets().unwrap().contains("tempo"),
            "Prometheus would show it as down"
        );

        let tempo = dir.path().join("tempo");
        fs::write(&tempo, "").unwrap();
        let with = instance(dir.path(), &tempo);
        assert_eq!(with.traces(), TraceStore::Tempo);
        assert_eq!(described(&with), (1, false));
        assert!(with.targets().unwrap().contains("tempo"));
    }

    #[test]
    fn services_learn_all_addresses_and_a_variable_that_is_set_wins() {
        let dir = tempfile::tempdir().unwrap();
        let instance = instance(dir.path(), Path::new("/absent"));
        let at = instance.addresses();
        let order = environment_of(&instance, "order");
        assert_eq!(
            order.get("SHOP_LISTEN_ADDR"),
            at.order.strip_prefix("http://")
        );
        assert_eq!(order.get("SHOP_PRODUCT_URL"), Some(&*at.product));
        assert_eq!(
            order.get("OTEL_EXPORTER_OTLP_ENDPOINT"),
            Some(&*at.otlp_http)
        );
        assert_eq!(order.get("OTEL_METRIC_EXPORT_INTERVAL"), Some("5000"));
        assert_eq!(order.get("SHOP_FAULTS"), Some("on"));
        assert_eq!(
            order.get("LOKI_PORT"),
            None,
            "a service talks to the Collector only"
        );
        let quiet = instance.with_variable("SHOP_FAULTS", "off");
        assert_eq!(
            environment_of(&quiet, "order").get("SHOP_FAULTS"),
            Some("off")
        );
    }

    #[test]
    fn every_template_of_the_table_can_be_expanded() {
        let dir = tempfile::tempdir().unwrap();
        let instance =
            instance(dir.path(), Path::new("/absent")).with_variable("GRAFANA_HOME", "/grafana");
        for component in COMPONENTS {
            let launch = instance.launch(component, "program".into()).unwrap();
            assert!(
                launch
                    .arguments
                    .iter()
                    .all(|argument| !argument.contains('$')),
                "{launch:?}"
            );
            instance.probe_of(component).unwrap();
        }
    }

    #[test]
    fn a_file_or_a_variable_that_a_component_reads_changes_its_setup_and_others_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("grafana/loki/loki.yaml");
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, "port: ${LOKI_PORT}\npath: ${STACK_DATA}").unwrap();
        let loki = component("loki").unwrap();
        let altered = |name: &str, value: &str| {
            let own = instance(dir.path(), Path::new("/absent"));
            let own = own.with_variable("STACK_ROOT", &dir.path().to_string_lossy());
            own.with_variable(name, value)
        };
        let setup = |instance: &Instance| {
            let launch = instance.launch(loki, "loki".into()).unwrap();
            instance.setup_of(loki, &launch).unwrap()
        };
        let before = setup(&altered("ORDER_PORT", "1"));
        let difference = |name, value| before.difference(&setup(&altered(name, value)));
        assert_eq!(difference("ORDER_PORT", "2"), None);
        // Of the shell that chooses, not of the program.
        assert_eq!(difference("STACK", "native"), None);
        assert_eq!(
            difference("LOKI_PORT", "1").as_deref(),
            Some("LOKI_PORT has changed")
        );
        fs::write(&place, "port: ${LOKI_PORT}\npath: ${STACK_DATA}\nmore: 1").unwrap();
        let told = difference("ORDER_PORT", "1").unwrap();
        assert!(told.ends_with("loki.yaml has changed"), "{told}");
    }
}
