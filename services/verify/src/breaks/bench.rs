//! An isolated native stack to break: the shipped programs and files on free ports.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use stack::console::Console;
use stack::{Hold, Instance, Volumes};
use tokio::runtime::Handle;

/// The kernel may still be closing the ports of a process that was killed.
const CLOSING: Duration = Duration::from_secs(10);

pub struct Bench {
    root: PathBuf,
    home: PathBuf,
    /// For the proxies of slow links.
    pub(super) handle: Handle,
    /// Variables of every start.
    settings: Vec<(String, String)>,
    /// By component, the variables that a fault starts it with.
    faults: Mutex<BTreeMap<String, Vec<(String, String)>>>,
    /// Two users at a time would stop each other's stack.
    _hold: Hold,
}

// === impl Bench ===

impl Bench {
    /// Stops what an interrupted run left in `home`, and deletes its data.
    pub fn new(root: &Path, home: &Path, handle: &Handle) -> anyhow::Result<Self> {
        fs::create_dir_all(home).with_context(|| format!("creating {}", home.display()))?;
        let home = home.canonicalize()?;
        let bench = Self {
            root: root.to_owned(),
            handle: handle.clone(),
            _hold: Instance::isolated(root, &home)?.hold()?,
            home,
            // Nothing here needs Grafana, and it starts slowly.
            settings: vec![("GRAFANA_HOME".to_owned(), "none".to_owned())],
            faults: Mutex::default(),
        };
        bench.forget()?;
        Ok(bench)
    }

    /// Sets a variable for every start.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    pub fn instance(&self) -> anyhow::Result<Instance> {
        let instance = Instance::isolated(&self.root, &self.home)?;
        let instance = instance.with_report(Arc::new(Console::of_long_work()));
        Ok(with_variables(instance, &self.settings))
    }

    /// Starts a running component again, with these variables until it is restarted with others.
    pub(super) fn restart_with(
        &self,
        component: &str,
        variables: &[(String, String)],
    ) -> anyhow::Result<()> {
        let instance = self.instance()?;
        match component {
            // Stopped, it would wait for an absent Prometheus.
            "otel-collector" => instance.kill_component(component)?,
            _ => instance.stop_component(component)?,
        }
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.insert(component.to_owned(), variables.to_owned());
        drop(faults);
        self.start(component)
    }

    pub(super) fn start(&self, component: &str) -> anyhow::Result<()> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let variables = faults.get(component).cloned().unwrap_or_default();
        drop(faults);
        let instance = with_variables(self.instance()?, &variables);
        let begun = Instant::now();
        loop {
            match instance.start_component(component) {
                Err(stack::Error::PortTaken { .. }) if begun.elapsed() < CLOSING => {
                    thread::park_timeout(Duration::from_millis(50));
                }
                done => return Ok(done?),
            }
        }
    }

    /// Starts everything as it is shipped, whatever a failed step has left.
    pub fn reset(&self) -> anyhow::Result<()> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.clear();
        drop(faults);
        let instance = self.instance()?;
        instance.down(Volumes::Keep)?;
        Ok(instance.run()?)
    }

    /// Stops everything and deletes its data.
    pub fn forget(&self) -> anyhow::Result<()> {
        Ok(self.instance()?.down(Volumes::Forget)?)
    }
}

fn with_variables(instance: Instance, variables: &[(String, String)]) -> Instance {
    let set =
        |instance: Instance, (name, value): &(String, String)| instance.with_variable(name, value);
    variables.iter().fold(instance, set)
}
