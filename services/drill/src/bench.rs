//! A stack of its own to break: the shipped programs and files on free ports, and ways to start one of them wrongly.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use stack::console::Console;
use stack::{Hold, Instance, Volumes};
use yaml_serde::Value;

use crate::place::Place;

const CLOSING: Duration = Duration::from_secs(10);

pub struct Bench {
    root: PathBuf,
    home: PathBuf,
    /// What every start is told.
    settings: Vec<(String, String)>,
    /// Two at a time would stop each other's stack.
    _hold: Hold,
}

// === impl Bench ===

impl Bench {
    /// What an interrupted run left there is stopped and forgotten: the same directory finds it again.
    pub fn new(root: &Path, home: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(home).with_context(|| format!("creating {}", home.display()))?;
        let home = home.canonicalize()?;
        let bench = Self {
            root: root.to_owned(),
            _hold: Instance::isolated(root, &home)?.hold()?,
            home,
            // No Grafana: nothing here needs it, and it starts slowly.
            settings: vec![("GRAFANA_HOME".to_owned(), "none".to_owned())],
        };
        bench.forget()?;
        Ok(bench)
    }

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

    pub fn place(&self) -> Place {
        Place::Isolated(self.home.clone())
    }

    pub fn instance(&self) -> anyhow::Result<Instance> {
        self.instance_with(&[])
    }

    /// One that starts its components with other variables.
    pub fn instance_with(&self, variables: &[(&str, &str)]) -> anyhow::Result<Instance> {
        let own = self.settings.iter();
        let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
        let instance = Instance::isolated(&self.root, &self.home)?
            .with_report(Arc::new(Console::of_long_work()));
        Ok(own
            .chain(variables.iter().copied())
            .fold(instance, |instance, (name, value)| {
                instance.with_variable(name, value)
            }))
    }

    /// Starts a running component anew, with other variables. A kill, as the Collector waits for an absent Prometheus.
    pub fn restart_with(&self, component: &str, variables: &[(&str, &str)]) -> anyhow::Result<()> {
        let instance = self.instance_with(variables)?;
        match component {
            "otel-collector" => instance.kill_component(component)?,
            _ => instance.stop_component(component)?,
        }
        start_when_free(&instance, component)
    }

    /// Starts the Collector anew with a configuration that `alter` has changed.
    pub fn alter_collector(
        &self,
        alter: impl FnOnce(&mut Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let shipped = self.root.join("collector");
        let altered = self.home.join("altered");
        let collector = altered.join("collector");
        fs::create_dir_all(&collector)?;
        for overlay in ["archive-traces.yaml", "archive-logs.yaml"] {
            fs::copy(shipped.join(overlay), collector.join(overlay))
                .with_context(|| format!("copying collector/{overlay}"))?;
        }
        let text = fs::read_to_string(shipped.join("config.yaml"))
            .context("reading collector/config.yaml")?;
        let mut config: Value = yaml_serde::from_str(&text)?;
        alter(&mut config)?;
        fs::write(
            collector.join("config.yaml"),
            yaml_serde::to_string(&config)?,
        )?;
        let root = altered.to_string_lossy();
        self.restart_with("otel-collector", &[("STACK_ROOT", &root)])
    }

    /// Stops everything and forgets its data.
    pub fn forget(&self) -> anyhow::Result<()> {
        Ok(self.instance()?.down(Volumes::Forget)?)
    }
}

/// The kernel may still be closing the ports of what was killed.
fn start_when_free(instance: &Instance, component: &str) -> anyhow::Result<()> {
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

/// The value at a path of keys; a shipped file that no longer has it makes the break meaningless.
pub fn at<'a>(value: &'a mut Value, path: &[&str]) -> anyhow::Result<&'a mut Value> {
    let mut here = value;
    for key in path {
        match here.get_mut(*key) {
            Some(next) => here = next,
            None => bail!("the shipped file has no {}", path.join(".")),
        }
    }
    Ok(here)
}
