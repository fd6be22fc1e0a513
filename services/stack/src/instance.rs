//! One set of running components: where it lives and what its programs are told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::{env, fs};

use crate::component::{COMPONENTS, Program, component};
use crate::docker::choice::{self, choose, look};
use crate::docker::{Choice, Docker, Engine, Runtime};
use crate::environment::Environment;
use crate::error::{IoContext as _, Result};
use crate::ports;
use crate::report::{Report, Silent};
use crate::state::{Lock, State};
use crate::status::Addresses;

/// The main stack of a working copy, or an isolated one of a test or a drill.
pub struct Instance {
    pub(crate) root: PathBuf,
    pub(crate) home: PathBuf,
    pub(crate) environment: Environment,
    /// What `.env` itself names: only these reach the programs that are not ours.
    pub(crate) shared: BTreeSet<String>,
    /// What the shell has set of it; no value where that is as in the file. Kept for other shells with the first start.
    pub(crate) set_by_shell: BTreeMap<String, Option<String>>,
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

/// Where log records are kept on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogStore {
    /// Loki itself.
    Loki,
    /// The directory with the Collector's `logs*.jsonl`: OTLP/JSON, one `LogsData` per line.
    Archive(PathBuf),
}

/// Variables of the shell that choose how the main instance runs. The last two are compose's own.
const CHOOSING: &[&str] = &["STACK", "COMPOSE_PROFILES", PROJECT_NAME];

/// Variables of the shell that name a compiler, for us alone.
pub(crate) const COMPILERS: &[&str] = &["CARGO", "RUSTC"];

const PROJECT_NAME: &str = "COMPOSE_PROJECT_NAME";

/// Below an instance's home.
pub(crate) const STATE: &str = "state.json";

/// Held while an instance is changed.
pub(crate) struct Exclusive<'a> {
    _here: MutexGuard<'a, ()>,
    _elsewhere: Lock,
}

impl Instance {
    /// The one of the working copy: ports of `.env`, everything else under `.stack/`.
    ///
    /// It runs on Docker or natively, as the variable `STACK` says; without it, on whichever runs already, or else on
    /// Docker if that can be used. A variable of the shell wins over `.env`; where another shell started the stack,
    /// what that one had set wins too, until `down`.
    pub fn main(root: &Path) -> Result<Self> {
        let file = Environment::read(&root.join(".env"))?;
        let home = root.join(".stack");
        let mut environment = file.clone();
        for (name, value) in State::read(&home.join(STATE))?.variables() {
            environment.set(name, value);
        }
        // Compose takes an empty name for none.
        let shell: BTreeMap<_, _> = env::vars()
            .filter(|(name, value)| name != PROJECT_NAME || !value.is_empty())
            .collect();
        environment.overlay(shell.clone());
        for name in CHOOSING {
            if let Some(value) = shell.get(*name) {
                environment.set(name, value);
            }
        }
        let mut instance = Self::new(root, &home, &file, environment)?;
        instance.set_by_shell = shell
            .into_iter()
            .filter(|(name, _)| file.get(name).is_some() || name == PROJECT_NAME)
            .map(|(name, value)| {
                let is_other = file.get(&name) != Some(&value);
                (name, is_other.then_some(value))
            })
            .collect();
        let choice = instance.choose()?;
        if choice.runtime == Runtime::Docker {
            instance.docker = Engine::on_path().map(|engine| instance.docker_of(engine));
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
            look(Engine::on_path().as_ref(), &self.project())
        })
    }

    pub(crate) fn docker_of(&self, engine: Engine) -> Docker {
        Docker::new(engine, self.project(), &self.environment)
    }

    /// One with ports, data, logs and `SHOP_LOG_DIR` of its own, under `dir`. Of the shell's variables only those reach
    /// it that name a program. Called again with the same `dir`, also by another process, it finds the same instance. It
    /// is always native.
    ///
    /// It tells nobody what happens, and its first start may build for minutes: give it a report, such as
    /// [`Console::of_long_work`](crate::console::Console::of_long_work). Below the main one's directory, `.stack/`,
    /// [`hold`](Self::hold) it while it is used.
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
        for name in COMPILERS {
            if let Some(value) = env::var_os(name) {
                environment.set(name, value.to_string_lossy());
            }
        }
        let state = State::read(&home.join(STATE))?;
        for component in COMPONENTS {
            if let Program::Installed { variable, .. } | Program::Home { variable, .. } =
                component.program
            {
                let kept = || state.variables().get(variable).map(Into::into);
                if let Some(value) = env::var_os(variable).or_else(kept) {
                    environment.set(variable, value.to_string_lossy());
                }
            }
        }
        fs::create_dir_all(home).context("create", home)?;
        Ok(Self {
            root: root.to_owned(),
            home: home.to_owned(),
            addresses: Addresses::from_environment(&environment)?,
            environment,
            shared: file.iter().map(|(name, _)| name.to_owned()).collect(),
            set_by_shell: BTreeMap::new(),
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

    /// The name of the compose project of this working copy, as compose finds it: the variable `COMPOSE_PROJECT_NAME`
    /// of the shell, then of `.env`, then the name in `docker-compose.yml`. An empty one is none.
    #[must_use]
    pub fn project(&self) -> String {
        let set = self.environment.get(PROJECT_NAME);
        match set.filter(|name| !name.is_empty()) {
            Some(name) => name.to_owned(),
            None => choice::project_in(&self.root),
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

    pub(crate) fn state(&self) -> Result<State> {
        State::read(&self.home.join(STATE))
    }

    /// Waits for changes of this process and refuses when another process is changing the instance.
    pub(crate) fn exclusive(&self) -> Result<Exclusive<'_>> {
        let here = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Exclusive {
            _here: here,
            _elsewhere: Lock::take(&self.home.join("lock"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_the_variable_or_else_the_name_in_the_compose_file() {
        let dir = tempfile::tempdir().unwrap();
        let root = crate::repository_root(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        for (value, expected) in [("mine", "mine"), ("", "otel-shop")] {
            let instance = Instance::isolated(&root, dir.path()).unwrap();
            let instance = instance.with_variable(PROJECT_NAME, value);
            assert_eq!(instance.project(), expected);
        }
    }

    #[test]
    fn the_native_programs_that_are_not_in_the_cache_are_named_without_building_any() {
        let dir = tempfile::tempdir().unwrap();
        let root = crate::repository_root(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let instance = Instance::isolated(&root, dir.path()).unwrap();
        let other = instance.with_variable("LOKI_IMAGE", "grafana/loki:0.0.1");
        assert!(other.missing_tools().unwrap().contains(&"loki"));
    }
}
