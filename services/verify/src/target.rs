//! Where the system under judgement runs: an instance of the stack, and clients for each of its addresses.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use checks::{Checks, Driven, Driver, Lists};
use contract::Registry;
use stack::{Addresses, Instance, LogStore, Topology, TraceStore};
use tokio::sync::{Mutex, OnceCell};

use crate::backend::{Archive, Collector, Http, LogArchive, Logs, Loki, Prometheus, Tempo, Traces};
use crate::check::{Baseline, Scene};
use crate::claims::{Artifacts, environment, promtool};
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
    pub pids: BTreeMap<String, u32>,
    lists: Lists,
    /// Where each service may connect to.
    allowed: Vec<Allowed>,
    /// Components that this machine can start.
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
        let topology = Topology::read(root)?;
        let pids: BTreeMap<String, u32> = topology
            .services()
            .filter_map(|service| Some((service.name.clone(), instance.pid(&service.name)?)))
            .collect();
        let components = topology
            .components
            .iter()
            .map(|component| component.name.clone());
        let mut present: BTreeSet<String> = components.filter(|name| instance.has(name)).collect();
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
            lists: lists(root)?,
            allowed: allowed(&topology, instance, &pids)?,
            present,
            pids,
        })
    }

    pub fn trace_store(&self) -> &TraceStore {
        &self.store
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

    pub fn checks(&self) -> anyhow::Result<Arc<Checks>> {
        Ok(Arc::new(Checks::read(&self.root, &self.lists)?))
    }

    pub fn driver(&self) -> anyhow::Result<Driver> {
        Driver::new(&self.addresses.gateway, self.checks()?)
    }

    /// What can be asked now, whoever started it: containers of compose are found by their ports.
    pub(crate) async fn present(&self) -> anyhow::Result<BTreeSet<String>> {
        let has_tempo = matches!(self.traces_from_now().await?, Traces::Tempo(_));
        let has_loki = matches!(self.logs_from_now().await?, Logs::Loki(_));
        let mut present = self.present.clone();
        let promtail = Http::new(&self.addresses.promtail)?.text("/ready").await;
        for (name, is_there) in [
            ("tempo", has_tempo),
            ("loki", has_loki),
            (
                "promtail",
                has_loki && (present.contains("promtail") || promtail.is_ok()),
            ),
        ] {
            present.remove(name);
            if is_there {
                present.insert(name.to_owned());
            }
        }
        Ok(present)
    }

    /// A scene in which nothing has been driven yet.
    pub async fn scene(&self) -> anyhow::Result<Scene> {
        let at = &self.addresses;
        let checks = self.checks()?;
        Ok(Scene {
            present: self.present().await?,
            traces: self.traces_from_now().await?,
            prometheus: self.prometheus()?,
            loki: self.loki()?,
            logs: self.logs_from_now().await?,
            collector: Collector::new(
                &at.collector_health,
                &at.collector_zpages,
                &at.collector_metrics,
            )?,
            driver: Driver::new(&at.gateway, Arc::clone(&checks))?,
            driven: Driven::new(&checks, SystemTime::now()),
            places: places(at),
            lists: self.lists.clone(),
            checks,
            interval: self.interval,
            baseline: Baseline::default(),
            contract: Registry::of(&self.root)?,
            sockets: Seen::default(),
            allowed: self.allowed.clone(),
            cache: Mutex::new(HashMap::new()),
            artifacts: self.artifacts(&self.root)?,
            repository: self.root.clone(),
            grafana: at.grafana.clone(),
            known: OnceCell::new(),
        })
    }
}

/// The lists of the topology that rows are made for.
pub fn lists(root: &Path) -> anyhow::Result<Lists> {
    let topology = Topology::read(root)?;
    let databases = topology.services().filter(|service| service.database);
    let calls = topology.services().flat_map(|service| {
        let client = service.name.clone();
        service
            .calls
            .iter()
            .map(move |server| (client.clone(), server.clone()))
    });
    Ok(Lists {
        services: topology
            .services()
            .map(|service| service.name.clone())
            .collect(),
        databases: databases.map(|service| service.name.clone()).collect(),
        calls: calls.collect(),
    })
}

/// The addresses that rows name, by the words of `checks::read::PLACES`.
fn places(at: &Addresses) -> BTreeMap<String, String> {
    let places = [
        ("gateway", &at.gateway),
        ("otel-collector", &at.collector_health),
        ("zpages", &at.collector_zpages),
        ("prometheus", &at.prometheus),
        ("loki", &at.loki),
        ("tempo", &at.tempo),
    ];
    let trimmed = |url: &String| url.trim_end_matches('/').to_owned();
    places
        .into_iter()
        .map(|(name, url)| (name.to_owned(), trimmed(url)))
        .collect()
}

/// The call graph by ports, for the services whose processes can be read.
fn allowed(
    topology: &Topology,
    instance: &Instance,
    pids: &BTreeMap<String, u32>,
) -> anyhow::Result<Vec<Allowed>> {
    let port_of = |name: &str| -> anyhow::Result<u16> {
        let service = topology.component(name)?;
        let variable = service
            .ports
            .first()
            .with_context(|| format!("{name} has no port"))?;
        let value = instance
            .variable(variable)
            .with_context(|| format!("{variable} has no value"))?;
        value
            .parse()
            .with_context(|| format!("{variable}={value}: expected a port"))
    };
    let mut all = Vec::new();
    for service in topology
        .services()
        .filter(|service| pids.contains_key(&service.name))
    {
        let mut peers = BTreeMap::from([(
            port(&instance.addresses().otlp_http),
            "the Collector".to_owned(),
        )]);
        for name in &service.calls {
            peers.insert(port_of(name)?, name.clone());
        }
        all.push(Allowed {
            service: service.name.clone(),
            listens: port_of(&service.name)?,
            peers,
        });
    }
    Ok(all)
}

fn interval(instance: &Instance) -> anyhow::Result<Duration> {
    const NAME: &str = "OTEL_METRIC_EXPORT_INTERVAL";
    let value = instance.variable(NAME).unwrap_or_default();
    let milliseconds = value
        .parse()
        .with_context(|| format!("{NAME}={value}: expected milliseconds"))?;
    Ok(Duration::from_millis(milliseconds))
}

/// The port of `http://host:port`.
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
