//! Where the system under judgement runs: an instance of the stack, and clients for each of its addresses.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use contract::Registry;
use stack::{Addresses, Instance, LogStore, Topology, TraceStore};
use tokio::sync::{Mutex, OnceCell};

use crate::backend::{Archive, Collector, LogArchive, Logs, Loki, Prometheus, Tempo, Traces};
use crate::check::{Baseline, Scene};
use crate::claims::{Artifacts, environment, promtool};
use crate::drive::{Driven, Driver};
use crate::expectations::SERVICES;
use crate::sockets::{Allowed, Seen};

/// What verify knows about an instance; taken once, as looking it up blocks.
#[derive(Clone, Debug)]
pub struct Target {
    root: PathBuf,
    pub addresses: Addresses,
    store: TraceStore,
    log_store: LogStore,
    /// How often metrics leave the services and the Collector's connectors.
    interval: Duration,
    /// The names of `.env` with the values they are shipped with, and those of this instance.
    shipped: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    /// The services that are processes of this machine.
    pub pids: BTreeMap<&'static str, u32>,
    /// Components and abilities that are there, by the words of `needs`.
    present: BTreeSet<String>,
}

// === impl Target ===

impl Target {
    /// The stack of the working copy that the current directory is in.
    pub fn here() -> anyhow::Result<Self> {
        let start = std::env::current_dir().context("the current directory is gone")?;
        let root = stack::repository_root(&start)?;
        Self::of(&root, &Instance::main(&root)?)
    }

    pub fn of(root: &Path, instance: &Instance) -> anyhow::Result<Self> {
        let pids: BTreeMap<_, _> = SERVICES
            .into_iter()
            .filter_map(|service| Some((service, instance.pid(service)?)))
            .collect();
        let topology = Topology::read(root)?;
        let names = topology.components.iter().map(|one| one.name.clone());
        let mut present: BTreeSet<String> = names.filter(|name| instance.has(name)).collect();
        if !pids.is_empty() {
            present.insert("processes".to_owned());
        }
        let shipped = environment(root)?;
        let variables = shipped.keys().filter_map(|name| {
            let value = instance.variable(name)?;
            Some((name.clone(), value.to_owned()))
        });
        Ok(Self {
            variables: variables.collect(),
            shipped,
            root: root.to_owned(),
            addresses: instance.addresses(),
            store: instance.traces(),
            log_store: instance.logs(),
            interval: interval(instance)?,
            pids,
            present,
        })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How often metrics leave.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The native programs that a stack of its own would have to build first.
    pub fn missing_tools(&self) -> anyhow::Result<Vec<&'static str>> {
        Ok(Instance::main(&self.root)?.missing_tools()?)
    }

    /// One with a stack of its own, as `stack --isolated` starts it.
    pub fn isolated(dir: &Path) -> anyhow::Result<Self> {
        let start = std::env::current_dir().context("the current directory is gone")?;
        let root = stack::repository_root(&start)?;
        Self::of(&root, &Instance::isolated(&root, dir)?)
    }

    /// The shipped files below `root`: the working copy, or a changed copy of it.
    pub fn artifacts(&self, root: &Path) -> anyhow::Result<Artifacts> {
        let promtool = promtool(&self.root);
        let (shipped, variables) = (self.shipped.clone(), self.variables.clone());
        Artifacts::read(root, promtool.as_deref(), shipped, variables)
    }

    /// Everything that arrives from now on.
    pub async fn traces_from_now(&self) -> anyhow::Result<Traces> {
        self.traces(Archive::from_now).await
    }

    pub async fn traces_of(&self, id: &str) -> anyhow::Result<Traces> {
        self.traces(|directory| Ok(Archive::of_trace(directory, id)))
            .await
    }

    /// Tempo if one answers, whoever started it: in containers no binary is on this machine.
    async fn traces(
        &self,
        archive: impl FnOnce(&Path) -> anyhow::Result<Archive>,
    ) -> anyhow::Result<Traces> {
        let tempo = Tempo::new(&self.addresses.tempo)?;
        Ok(match &self.store {
            TraceStore::Archive(directory) if tempo.ready().await.is_err() => {
                Traces::Archive(archive(directory)?)
            }
            _ => Traces::Tempo(tempo),
        })
    }

    pub async fn logs_from_now(&self) -> anyhow::Result<Logs> {
        self.logs(LogArchive::from_now).await
    }

    pub async fn logs_of(&self, id: &str) -> anyhow::Result<Logs> {
        self.logs(|directory| Ok(LogArchive::of_trace(directory, id)))
            .await
    }

    /// Loki if one answers, whoever started it.
    async fn logs(
        &self,
        archive: impl FnOnce(&Path) -> anyhow::Result<LogArchive>,
    ) -> anyhow::Result<Logs> {
        let loki = self.loki()?;
        Ok(match &self.log_store {
            LogStore::Archive(directory) if loki.ready().await.is_err() => {
                Logs::Archive(archive(directory)?)
            }
            _ => Logs::Loki(loki),
        })
    }

    pub fn loki(&self) -> anyhow::Result<Loki> {
        Loki::new(&self.addresses.loki)
    }

    pub fn prometheus(&self) -> anyhow::Result<Prometheus> {
        Prometheus::new(&self.addresses.prometheus)
    }

    pub fn driver(&self) -> anyhow::Result<Driver> {
        Driver::new(&self.addresses.gateway)
    }

    /// A scene in which nothing has been driven yet.
    pub async fn scene(&self) -> anyhow::Result<Scene> {
        let at = &self.addresses;
        Ok(Scene {
            traces: self.traces_from_now().await?,
            prometheus: self.prometheus()?,
            loki: self.loki()?,
            collector: Collector::new(
                &at.collector_health,
                &at.collector_zpages,
                &at.collector_metrics,
            )?,
            driver: self.driver()?,
            driven: Driven::nothing(SystemTime::now()),
            present: self.present.clone(),
            interval: self.interval,
            baseline: Baseline::default(),
            contract: Registry::of(&self.root)?,
            sockets: Seen::default(),
            allowed: self.allowed(),
            cache: Mutex::new(HashMap::new()),
            artifacts: self.artifacts(&self.root)?,
            repository: self.root.clone(),
            grafana: at.grafana.clone(),
            known: OnceCell::new(),
        })
    }

    /// The call graph by ports, for the services whose processes we can look into.
    fn allowed(&self) -> Vec<Allowed> {
        let at = &self.addresses;
        let collector = (port(&at.otlp_http), "the Collector");
        let product = (port(&at.product), "product");
        let inventory = (port(&at.inventory), "inventory");
        let order = (port(&at.order), "order");
        let all = [
            (
                "gateway",
                &at.gateway,
                vec![collector, product, inventory, order],
            ),
            ("product", &at.product, vec![collector]),
            ("inventory", &at.inventory, vec![collector]),
            ("order", &at.order, vec![collector, product, inventory]),
        ];
        all.into_iter()
            .filter(|(service, ..)| self.pids.contains_key(service))
            .map(|(service, listens, peers)| Allowed {
                service,
                listens: port(listens),
                peers: peers
                    .into_iter()
                    .map(|(port, name)| (port, name.to_owned()))
                    .collect(),
            })
            .collect()
    }
}

/// The port of `http://host:port`.
fn interval(instance: &Instance) -> anyhow::Result<Duration> {
    const NAME: &str = "OTEL_METRIC_EXPORT_INTERVAL";
    let value = instance.variable(NAME).unwrap_or_default();
    let milliseconds = value
        .parse()
        .with_context(|| format!("{NAME}={value}: expected milliseconds"))?;
    Ok(Duration::from_millis(milliseconds))
}

fn port(url: &str) -> u16 {
    url.rsplit(':')
        .next()
        .and_then(|rest| rest.split('/').next())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_an_address_is_read() {
        assert_eq!(port("http://127.0.0.1:4318"), 4318);
        assert_eq!(port("http://127.0.0.1:8083/"), 8083);
    }
}
