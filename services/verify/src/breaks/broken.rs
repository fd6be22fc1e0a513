//! Applies a fault to an isolated stack, and takes it back.

use std::collections::BTreeMap;

use anyhow::Context;

use super::Bench;
use super::link::Proxy;
use super::overlay::Overlay;
use super::{Fault, Replacement};

/// Loopback, and nothing listens there: every component binds 127.0.0.1.
const NOWHERE: &str = "127.0.0.9";
const COLLECTOR: &str = "otel-collector";

/// A fault that is in effect.
#[derive(Debug)]
#[must_use = "a fault stays until it is restored"]
pub struct Broken {
    stopped: Vec<String>,
    /// Runs with other variables than the shipped ones.
    changed: Vec<String>,
    _link: Option<Proxy>,
    _files: Option<Overlay>,
}

// === impl Broken ===

impl Broken {
    pub fn apply(bench: &Bench, fault: &Fault) -> anyhow::Result<Self> {
        let instance = bench.instance()?;
        let mut variables: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
        for (component, all) in &fault.set {
            let all = all
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()));
            variables.entry(component).or_default().extend(all);
        }
        let mut files = None;
        if let Some(addition) = &fault.collector {
            let overlay =
                Overlay::with_collector(bench.root(), &bench.home().join("altered"), addition)?;
            let root = overlay.root().to_string_lossy().into_owned();
            variables
                .entry(COLLECTOR)
                .or_default()
                .push(("STACK_ROOT".to_owned(), root));
            files = Some(overlay);
        }
        let mut proxy = None;
        if let Some(link) = &fault.slow_link {
            let to = link.to.to_uppercase();
            let port = instance.variable(&format!("{to}_PORT"));
            let port = port.with_context(|| format!("slow_link: no service {}", link.to))?;
            let started = Proxy::start(&bench.handle, &format!("127.0.0.1:{port}"), link.delay)?;
            let variable = (format!("SHOP_{to}_URL"), started.address().to_owned());
            variables.entry(&link.from).or_default().push(variable);
            proxy = Some(started);
        }
        let mut stopped = Vec::new();
        for name in fault.stop.iter().chain(&fault.kill) {
            if instance.has(name) {
                stopped.push(name.clone());
            } else {
                // The Collector's own archive is in its place. For the exporter an address without a listener is the same.
                let variable = (format!("{}_HOST", name.to_uppercase()), NOWHERE.to_owned());
                variables.entry(COLLECTOR).or_default().push(variable);
            }
        }
        for (component, variables) in &variables {
            bench.restart_with(component, variables)?;
        }
        for name in &stopped {
            match fault.kill.contains(name) {
                true => instance.kill_component(name)?,
                false => instance.stop_component(name)?,
            }
        }
        for name in &fault.crash {
            instance.kill_component(name)?;
            bench.start(name)?;
        }
        if fault.restart_all {
            bench.reset()?;
        }
        Ok(Self {
            stopped,
            changed: variables.into_keys().map(str::to_owned).collect(),
            _link: proxy,
            _files: files,
        })
    }

    /// Starts what was stopped, and what was changed as it is shipped.
    pub fn restore(self, bench: &Bench) -> anyhow::Result<()> {
        for name in &self.stopped {
            bench.start(name)?;
        }
        for name in &self.changed {
            bench.restart_with(name, &[])?;
        }
        Ok(())
    }
}

// === impl Replacement ===

impl Replacement {
    /// A text without what is replaced would prove nothing.
    pub(super) fn apply(&self, text: &str) -> anyhow::Result<String> {
        let path = self.path.display();
        anyhow::ensure!(
            text.contains(&self.replace),
            "{path} has no {:?}",
            self.replace
        );
        Ok(text.replace(&self.replace, &self.by))
    }
}
