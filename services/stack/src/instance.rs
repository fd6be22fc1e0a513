//! One set of running components: where it lives and what its programs are told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::{env, fs};

use probe::Probe;

use crate::component::{
    ARCHIVE_ARGUMENT, ARCHIVE_PORT, COMPONENTS, Component, Program, Ready, SERVICE_ENVIRONMENT,
    component,
};
use crate::docker::choice::{choose, look};
use crate::docker::{Choice, Docker, Engine, Runtime};
use crate::environment::{Environment, is_setting_of_services};
use crate::error::{IoContext as _, Result};
use crate::ports::{self, Port};
use crate::process::Launch;
use crate::report::{Report, Silent};
use crate::state::{Lock, State};
use crate::status::Addresses;
use crate::tools;

/// The main stack of a working copy, or an isolated one of a test or a drill.
pub struct Instance {
    pub(crate) root: PathBuf,
    pub(crate) home: PathBuf,
    pub(crate) environment: Environment,
    /// What `.env` itself names: only these reach the programs that are not ours.
    shared: BTreeSet<String>,
    pub(crate) addresses: Addresses,
    pub(crate) report: Arc<dyn Report>,
    pub(crate) profile: Profile,
    /// Where Docker was chosen.
    pub(crate) docker: Option<Docker>,
    /// Where it was not, and its images are asked about all the same.
    pub(crate) spare_docker: OnceLock<Docker>,
    /// An isolated instance has none to make.
    pub(crate) choice: Option<Choice>,
    /// One change at a time inside this process; [`Lock`] is the same between processes.
    changing: Mutex<()>,
}

/// How cargo builds the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Quicker to the first trace from nothing.
    #[default]
    Dev,
    /// For numbers about speed.
    Release,
}

/// Who keeps the traces on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceStore {
    /// Tempo itself.
    Tempo,
    /// The directory with the Collector's `traces*.jsonl`: OTLP/JSON, one `TracesData` per line.
    Archive(PathBuf),
}

/// Variables of the shell that choose how the main instance runs. The last two are compose's own.
const CHOOSING: &[&str] = &["STACK", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"];

/// Held while an instance is changed.
pub(crate) struct Exclusive<'a> {
    _here: MutexGuard<'a, ()>,
    _elsewhere: Lock,
}

impl Instance {
    /// The one of the working copy: ports of `.env`, everything else under `.stack/`.
    ///
    /// It runs on Docker or natively, as the variable `STACK` says; without it, on whichever runs already, or else on
    /// Docker if that can be used.
    pub fn main(root: &Path) -> Result<Self> {
        let file = Environment::read(&root.join(".env"))?;
        let mut environment = file.clone();
        environment.overlay(env::vars());
        for name in CHOOSING {
            if let Ok(value) = env::var(name) {
                environment.set(name, value);
            }
        }
        let mut instance = Self::new(root, &root.join(".stack"), &file, environment)?;
        let choice = instance.choose()?;
        if choice.runtime == Runtime::Docker {
            instance.docker =
                Engine::on_path().map(|engine| Docker::new(engine, &instance.environment));
        }
        instance.choice = Some(choice);
        Ok(instance)
    }

    fn choose(&self) -> Result<Choice> {
        let wanted = self
            .environment
            .get("STACK")
            .filter(|value| !value.is_empty());
        let wanted = wanted.map(str::parse).transpose()?;
        let state = self.state()?;
        let mut stack = COMPONENTS
            .iter()
            .filter(|component| !component.is_service());
        let runs_natively = stack.any(|component| state.alive(component.name).is_some());
        choose(wanted, runs_natively, || {
            look(Engine::on_path().as_ref(), &self.environment)
        })
    }

    /// One with ports, data, logs and `SHOP_LOG_DIR` of its own, under `dir`. The shell's variables do not reach it.
    /// Called again with the same `dir`, also by another process, it finds the same instance. It is always native.
    pub fn isolated(root: &Path, dir: &Path) -> Result<Self> {
        let file = Environment::read(&root.join(".env"))?;
        fs::create_dir_all(dir).context("create", dir)?;
        let dir = &dir.canonicalize().context("find", dir)?;
        let mut environment = file.clone();
        let kept = dir.join("ports.env");
        if !kept.exists() {
            let names: Vec<_> = file
                .iter()
                .map(|(name, _)| name)
                .filter(|name| name.ends_with("_PORT"))
                .collect();
            let ports = ports::free(names.len());
            let lines: Vec<_> = names
                .iter()
                .zip(ports)
                .map(|(name, port)| format!("{name}={port}\n"))
                .collect();
            fs::write(&kept, lines.concat()).context("write", &kept)?;
        }
        for (name, port) in Environment::read(&kept)?.iter() {
            environment.set(name, port);
        }
        environment.set("SHOP_LOG_DIR", dir.join("shop-logs").to_string_lossy());
        Self::new(root, dir, &file, environment)
    }

    fn new(
        root: &Path,
        home: &Path,
        file: &Environment,
        mut environment: Environment,
    ) -> Result<Self> {
        let places = [
            ("STACK_ROOT", root.to_owned()),
            ("STACK_HOME", home.to_owned()),
            ("STACK_DATA", home.join("data")),
            ("STACK_LOGS", home.join("logs")),
        ];
        for (name, place) in places {
            environment.set(name, place.to_string_lossy());
        }
        for component in COMPONENTS {
            if let Program::Installed { variable, .. } | Program::Home { variable, .. } =
                component.program
                && let Some(value) = env::var_os(variable)
            {
                environment.set(variable, value.to_string_lossy());
            }
        }
        fs::create_dir_all(home).context("create", home)?;
        Ok(Self {
            root: root.to_owned(),
            home: home.to_owned(),
            addresses: Addresses::from_environment(&environment)?,
            environment,
            shared: file.iter().map(|(name, _)| name.to_owned()).collect(),
            report: Arc::new(Silent),
            profile: Profile::default(),
            docker: None,
            spare_docker: OnceLock::new(),
            choice: None,
            changing: Mutex::new(()),
        })
    }

    /// Sets a variable for everything that is started from here on, such as `SHOP_RESERVATION_TTL`.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.set(name, value);
        self
    }

    /// Tells somebody what happens.
    #[must_use]
    pub fn with_report(mut self, report: Arc<dyn Report>) -> Self {
        self.report = report;
        self
    }

    /// Chooses how the services are built.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// How the Collector and its backends run.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        match self.docker {
            Some(_) => Runtime::Docker,
            None => Runtime::Native,
        }
    }

    /// A variable as the components see it.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name)
    }

    /// What the components keep; `down` leaves it.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Where `rust_app_<service>.log` are.
    #[must_use]
    pub fn shop_log_dir(&self) -> PathBuf {
        self.environment
            .get("SHOP_LOG_DIR")
            .unwrap_or_default()
            .into()
    }

    /// Both output streams of a component; of a container, a copy of its last lines.
    #[must_use]
    pub fn component_log(&self, name: &str) -> PathBuf {
        if let Some(docker) = &self.docker
            && let Ok(places) = self.places()
            && component(name).is_ok_and(|component| places.is_inside(component))
            && let Some(container) = places.container(name)
        {
            return self.save_output(docker, container);
        }
        self.process_log(name)
    }

    pub(crate) fn process_log(&self, name: &str) -> PathBuf {
        self.home.join(format!("logs/{name}.log"))
    }

    /// Who keeps the traces. A running Collector decides; else what is installed.
    #[must_use]
    pub fn traces(&self) -> TraceStore {
        if let Some(docker) = &self.docker {
            return self.traces_inside(docker);
        }
        let archive = TraceStore::Archive(self.data_dir().join("archive"));
        let running = self
            .state()
            .ok()
            .and_then(|state| state.alive("otel-collector").cloned());
        if running.is_some_and(|record| {
            record
                .arguments
                .iter()
                .any(|a| a.ends_with("/archive.yaml"))
        }) {
            return archive;
        }
        let tempo = component("tempo")
            .ok()
            .and_then(|tempo| self.installed(tempo));
        tempo.map_or(archive, |_| TraceStore::Tempo)
    }

    /// The executable of a component that is not built here, if the machine has it.
    pub(crate) fn installed(&self, component: &Component) -> Option<PathBuf> {
        match component.program {
            Program::Installed {
                binary, variable, ..
            } => self
                .environment
                .get(variable)
                .map(PathBuf::from)
                .or_else(|| tools::on_path(binary)),
            Program::Home {
                binary, variable, ..
            } => self
                .environment
                .get(variable)
                .map(|home| Path::new(home).join("bin").join(binary)),
            Program::Tool(_) | Program::Service => None,
        }
        .filter(|path| path.is_file())
    }

    /// What keeps a component from running here, if anything does.
    pub(crate) fn obstacle(&self, component: &Component) -> Option<&'static str> {
        if let Some(docker) = &self.docker {
            return self.obstacle_inside(docker, component);
        }
        match component.program {
            Program::Installed { remedy, .. } | Program::Home { remedy, .. } => {
                let is_archived =
                    component.name == "tempo" && matches!(self.traces(), TraceStore::Archive(_));
                (is_archived || self.installed(component).is_none()).then_some(remedy)
            }
            Program::Tool(_) | Program::Service => None,
        }
    }

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

    pub(crate) fn state(&self) -> Result<State> {
        State::read(&self.home.join("state.json"))
    }

    /// Waits for changes of this process and refuses when another process is changing the instance.
    pub(crate) fn exclusive(&self) -> Result<Exclusive<'_>> {
        let here = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Exclusive {
            _here: here,
            _elsewhere: Lock::take(&self.home.join("lock"))?,
        })
    }

    fn keeps_archive(&self, component: &Component) -> bool {
        component.name == "otel-collector" && matches!(self.traces(), TraceStore::Archive(_))
    }

    fn environment_of(&self, component: &Component) -> Result<Vec<(String, String)>> {
        // Of the shell only what any program needs.
        const INHERITED: &[&str] = &[
            "PATH",
            "HOME",
            "USER",
            "LANG",
            "TZ",
            "TMPDIR",
            "RUST_BACKTRACE",
        ];
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
            if !component_runs(self, "tempo") {
                result.set("SHOP_TEMPO_URL", "none");
            }
            if component_runs(self, "grafana") {
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
                false => self.shared.contains(name) || !is_setting_of_services(name),
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

fn component_runs(instance: &Instance, name: &str) -> bool {
    component(name).is_ok_and(|component| instance.obstacle(component).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
