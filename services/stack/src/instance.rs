//! One set of running components: where it lives, and the variables of its programs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, fs};

use crate::console::{Report, Silent};
use crate::docker::Choice;
use crate::environment::Environment;
use crate::error::{IoContext as _, Result, failed};
use crate::ports;
use crate::state::{Lock, State};
use crate::status::Addresses;
use crate::topology::{Component, Topology};

/// The main stack of a checkout, or an isolated one of a test or a drill.
pub struct Instance {
    pub(crate) root: PathBuf,
    pub(crate) home: PathBuf,
    pub(crate) topology: Topology,
    pub(crate) environment: Environment,
    /// As in `.env`.
    pub(crate) shipped: Environment,
    /// The variables that a start writes down for later commands.
    pub(crate) remembered: BTreeSet<String>,
    pub(crate) addresses: Addresses,
    pub(crate) report: Arc<dyn Report>,
    pub(crate) profile: Profile,
    /// The stack runs as containers.
    pub(crate) docker: bool,
    /// How the runtime of the main instance was chosen.
    pub(crate) choice: Option<Choice>,
    /// What `up` and `run` report first.
    note: String,
    /// One change at a time inside this process; [`Lock`] is the same between processes.
    changing: Mutex<()>,
}

/// How cargo builds the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Compiles in less time.
    #[default]
    Dev,
    /// For measurements of speed.
    Release,
}

/// How the Collector and its backends run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// As processes of this machine.
    Native,
    /// As containers of `docker-compose.yml`.
    Docker,
}

const STATE: &str = "state.json";
const PROJECT_NAME: &str = "COMPOSE_PROJECT_NAME";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// Held while an instance is changed.
pub(crate) struct Exclusive<'a> {
    _here: MutexGuard<'a, ()>,
    _elsewhere: Lock,
}

impl Instance {
    /// The stack of the checkout: ports of `.env`, everything else in `.stack/`.
    ///
    /// It runs on Docker or natively, as the variable `STACK` says; without it, as it runs already, otherwise on Docker
    /// if an engine with compose answers, otherwise natively. A variable of the shell replaces the one that the last
    /// start used, which replaces the one of `.env`.
    pub fn main(root: &Path) -> Result<Self> {
        let mut instance = Self::new(root, &root.join(".stack"), true)?;
        let of_file = instance.shipped.iter().map(|(name, _)| name.to_owned());
        instance.remembered.extend(of_file);
        instance.keep_service_names();
        let choice = instance.choose()?;
        instance.docker = choice.docker;
        instance.choice = Some(choice);
        Ok(instance)
    }

    /// An instance with ports, data, logs and `SHOP_LOG_DIR` of its own, in `dir`. Of the shell's variables only those
    /// have an effect that name a program. Called again with the same `dir`, also by another process, it finds the same
    /// instance. It is always native.
    ///
    /// It reports nothing, and its first start may build for minutes: give it a report, such as
    /// [`Console::of_long_work`](crate::console::Console::of_long_work). Below the main instance's directory, `.stack/`,
    /// [`hold`](Self::hold) it while it is used.
    pub fn isolated(root: &Path, dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).context("create", dir)?;
        let dir = &dir.canonicalize().context("find", dir)?;
        let mut instance = Self::new(root, dir, false)?;
        let kept = dir.join("ports.env");
        if !kept.exists() {
            let names = instance.shipped.iter().map(|(name, _)| name);
            let names: Vec<_> = names.filter(|name| name.ends_with("_PORT")).collect();
            let ports = ports::free(names.len());
            let lines = names.iter().zip(ports);
            let text: String = lines
                .map(|(name, port)| format!("{name}={port}\n"))
                .collect();
            fs::write(&kept, text).context("write", &kept)?;
        }
        for (name, port) in Environment::read(&kept)?.iter() {
            instance.environment.set(name, port);
        }
        let logs = dir.join("shop-logs");
        instance
            .environment
            .set("SHOP_LOG_DIR", logs.to_string_lossy());
        instance.addresses = Addresses::from_environment(&instance.environment)?;
        Ok(instance)
    }

    fn new(root: &Path, home: &Path, is_main: bool) -> Result<Self> {
        let topology = Topology::read(root)?;
        let shipped = Environment::read(&root.join(".env"))?;
        fs::create_dir_all(home).context("create", home)?;
        let mut environment = shipped.clone();
        for (name, value) in State::read(&home.join(STATE))?.variables {
            environment.set(&name, value);
        }
        let programs = topology.components.iter().filter_map(|c| c.variable());
        let remembered: BTreeSet<_> = programs.chain([PROJECT_NAME]).map(str::to_owned).collect();
        // Not `vars`, which panics at a value that is not UTF-8, whoever it is meant for.
        for (name, value) in env::vars_os() {
            let Some(name) = name.to_str() else { continue };
            // Compose takes an empty project name for none.
            if name == PROJECT_NAME && value.is_empty() {
                continue;
            }
            let is_setting =
                || name == "STACK" || shipped.get(name).is_some() || is_setting_of_services(name);
            if remembered.contains(name) || is_main && is_setting() {
                let value = value.to_str().ok_or_else(|| {
                    failed!(
                        "the value of the variable {name} is not UTF-8: set it again, or unset it"
                    )
                })?;
                environment.set(name, value);
            }
        }
        for (name, place) in [
            ("STACK_ROOT", root.to_owned()),
            ("STACK_HOME", home.to_owned()),
            ("STACK_DATA", home.join("data")),
            ("STACK_LOGS", home.join("logs")),
        ] {
            environment.set(name, place.to_string_lossy());
        }
        Ok(Self {
            root: root.to_owned(),
            home: home.to_owned(),
            topology,
            addresses: Addresses::from_environment(&environment)?,
            environment,
            shipped,
            remembered,
            report: Arc::new(Silent),
            profile: Profile::default(),
            docker: false,
            choice: None,
            note: String::new(),
            changing: Mutex::new(()),
        })
    }

    /// A service name in the shell is meant for one other program: it would rename all of the shop's services.
    fn keep_service_names(&mut self) {
        let name = self.environment.remove("OTEL_SERVICE_NAME");
        let mut removed = Vec::from_iter(name.map(|_| "OTEL_SERVICE_NAME"));
        let attributes = self
            .environment
            .get(RESOURCE)
            .unwrap_or_default()
            .to_owned();
        let is_name = |pair: &&str| pair.split('=').next().map(str::trim) == Some("service.name");
        let (names, kept): (Vec<_>, Vec<_>) = attributes.split(',').partition(is_name);
        if !names.is_empty() {
            removed.push("service.name in OTEL_RESOURCE_ATTRIBUTES");
            self.environment.set(RESOURCE, kept.join(","));
        }
        if !removed.is_empty() {
            let removed = removed.join(", ");
            self.note =
                format!("not passed to the services, which have names of their own: {removed}");
        }
    }

    /// Sets a variable for everything that is started from here on, such as `SHOP_RESERVATION_TTL`.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.set(name, value);
        self
    }

    /// Reports progress there.
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
            true => Runtime::Docker,
            false => Runtime::Native,
        }
    }

    /// The table of components and services.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
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

    /// Both output streams of a process.
    #[must_use]
    pub fn component_log(&self, name: &str) -> PathBuf {
        self.home.join(format!("logs/{name}.log"))
    }

    /// Whether a component is a container.
    pub(crate) fn is_inside(&self, component: &Component) -> bool {
        self.docker && !component.is_service()
    }

    pub(crate) fn state(&self) -> Result<State> {
        State::read(&self.home.join(STATE))
    }

    /// An error where nothing may be started.
    pub(crate) fn require_choice(&self) -> Result<()> {
        let refused = self
            .choice
            .as_ref()
            .and_then(|choice| choice.refused.as_ref());
        refused.map_or(Ok(()), |reason| Err(failed!("{reason}")))
    }

    /// What `up` and `run` report before they start anything.
    pub(crate) fn announce(&self) -> Result<()> {
        self.require_choice()?;
        if !self.note.is_empty() {
            self.report.note(&self.note);
        }
        let Some(choice) = &self.choice else {
            return Ok(());
        };
        self.report.note(&choice.reason);
        let variables = self.state()?.variables;
        let kept = variables.iter().filter(|(name, value)| {
            self.shipped.get(name).is_some() && self.environment.get(name) == Some(value)
        });
        let kept: Vec<_> = kept
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !kept.is_empty() {
            let note = format!(
                "as in the first start, until `just down`: {}",
                kept.join(", ")
            );
            self.report.note(&note);
        }
        Ok(())
    }

    /// Writes down what this start uses in place of `.env`, for commands of other shells.
    pub(crate) fn remember(&self, state: &mut State) -> Result<()> {
        state.variables.clear();
        for name in &self.remembered {
            let value = self.environment.get(name);
            if let Some(value) = value.filter(|value| self.shipped.get(name) != Some(value)) {
                state.variables.insert(name.clone(), value.to_owned());
            }
        }
        for component in &self.topology.components {
            if let (Some(variable), Some(program)) = (component.variable(), self.program(component))
            {
                let found = || program.to_string_lossy().into_owned();
                state
                    .variables
                    .entry(variable.to_owned())
                    .or_insert_with(found);
            }
        }
        state.write()
    }

    /// Refuses directories whose names are syntax in a file, a list or a pattern that they are put into.
    pub(crate) fn require_plain_paths(&self) -> Result<()> {
        for path in [&self.root, &self.home, &self.shop_log_dir()] {
            let text = path.to_str().ok_or_else(|| {
                failed!(
                    "the name of the directory {} is not UTF-8: use another one",
                    path.display()
                )
            })?;
            let is_syntax = |c: &char| "#,:[]{}*?!$\\\"'`|<>&;".contains(*c) || c.is_control();
            if let Some(character) = text.chars().find(is_syntax) {
                return Err(failed!(
                    "{text}: the character `{character}` has a meaning in configuration files, lists and patterns: use a directory without it"
                ));
            }
        }
        Ok(())
    }

    /// Waits for changes of this process and fails while another process changes the instance.
    pub(crate) fn exclusive(&self) -> Result<Exclusive<'_>> {
        let here = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Exclusive {
            _here: here,
            _elsewhere: Lock::take(&self.home.join("lock"))?,
        })
    }
}

/// Whether a variable is meant for the services rather than for the programs around them.
pub(crate) fn is_setting_of_services(name: &str) -> bool {
    name.starts_with("SHOP_") || name.starts_with("OTEL_")
}
