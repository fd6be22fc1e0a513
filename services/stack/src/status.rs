//! What runs, where, and whether it is ready.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::docker::Container;
use crate::environment::Environment;
use crate::error::{Result, failed};
use crate::instance::Instance;
use crate::process::Identity;
use crate::topology::Component;
use crate::wait;

/// One component, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    pub name: String,
    pub condition: Condition,
    pub pid: Option<i32>,
    /// Resident, in bytes.
    pub memory: Option<u64>,
    pub url: String,
    /// Why it is missing, or not ready.
    pub note: String,
}

/// The state of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    Ready,
    /// Runs and does not answer as it should.
    NotReady,
    /// Was started and has ended by itself.
    Died,
    Stopped,
    /// No program on this machine.
    Unavailable,
}

/// Where everything is: URLs without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Addresses {
    pub gateway: String,
    pub product: String,
    pub inventory: String,
    pub order: String,
    /// Where services send to.
    pub otlp_http: String,
    pub otlp_grpc: String,
    pub collector_health: String,
    pub collector_zpages: String,
    /// The Collector's own metrics, without the path.
    pub collector_metrics: String,
    pub prometheus: String,
    pub loki: String,
    pub promtail: String,
    /// Tempo's queries. Nothing listens there where an archive keeps the traces.
    pub tempo: String,
    /// Where the Collector delivers traces: Tempo, or its own archive.
    pub tempo_otlp_http: String,
    /// Only where there is a Grafana.
    pub grafana: Option<String>,
}

impl Instance {
    /// A row for each component of the table.
    pub fn status(&self) -> Result<Vec<Status>> {
        let state = self.state()?;
        let containers = match &self.docker {
            Some(docker) => docker.containers(self)?,
            None => Vec::new(),
        };
        let rows = self.topology.components.iter().map(|component| {
            let name = &component.name;
            let row = |condition, note: String| -> Result<Status> {
                let url = self.environment.expand(&component.url)?;
                Ok(Status {
                    name: name.clone(),
                    condition,
                    pid: None,
                    memory: None,
                    url,
                    note,
                })
            };
            let answer = || self.probe_of(component).map(|probe| probe.ask());
            let see_logs = || format!("see `just logs {name}`");
            if let Some(container) = containers
                .iter()
                .find(|container| container.service == *name)
            {
                let identity = container.pid.and_then(Identity::of);
                let found = match (container.is_running(), answer()?) {
                    (true, Ok(())) => row(Condition::Ready, "container".to_owned()),
                    (true, Err(seen)) => row(Condition::NotReady, seen),
                    (false, _) if container.was_stopped() => row(Condition::Stopped, String::new()),
                    (false, _) => row(Condition::Died, see_logs()),
                };
                let memory = identity.as_ref().and_then(Identity::memory);
                return Ok(Status {
                    pid: identity.map(|i| i.pid),
                    memory,
                    ..found?
                });
            }
            if let Some(record) = state.alive(name) {
                let found = match answer()? {
                    Ok(()) => row(Condition::Ready, String::new()),
                    Err(seen) => row(Condition::NotReady, seen),
                };
                let (pid, memory) = (Some(record.identity.pid), record.identity.memory());
                return Ok(Status {
                    pid,
                    memory,
                    ..found?
                });
            }
            match (state.last(name), self.lack(component)) {
                (Some(_), _) => row(Condition::Died, see_logs()),
                (None, Some(reason)) => row(Condition::Unavailable, reason),
                (None, None) => row(Condition::Stopped, String::new()),
            }
        });
        rows.collect()
    }

    /// Whether the process or container of a component is alive.
    #[must_use]
    pub fn is_running(&self, name: &str) -> bool {
        let container = || {
            let containers = self.docker.as_ref()?.containers(self).ok()?;
            containers
                .into_iter()
                .find(|container| container.service == name)
        };
        self.pid(name).is_some() || container().is_some_and(|container| container.is_running())
    }

    /// The process id of a running component. A container has none here.
    #[must_use]
    pub fn pid(&self, name: &str) -> Option<u32> {
        let state = self.state().ok()?;
        u32::try_from(state.alive(name)?.identity.pid).ok()
    }

    /// Waits until a component that was started is ready (again).
    pub fn wait_ready(&self, name: &str, patience: Duration) -> Result<()> {
        let component: &Component = self.topology.component(name)?;
        let probe = self.probe_of(component)?;
        let started = Instant::now();
        let mut seen = String::new();
        let ask = || probe.ask().map_err(|error| seen = error).is_ok();
        match wait::until(patience, ask) {
            true => Ok(()),
            false => {
                let after = started.elapsed().as_secs();
                let log = self.component_log(name);
                Err(failed!(
                    "{name} is not ready after {after} s: {seen}; its output is in {}",
                    log.display()
                ))
            }
        }
    }

    /// Where everything listens, or would.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let mut addresses = self.addresses.clone();
        addresses.grafana = addresses.grafana.filter(|_| self.has("grafana"));
        addresses
    }
}

impl Container {
    pub(crate) fn is_running(&self) -> bool {
        self.state == "running"
    }

    /// Rather than ended by itself: by `compose stop` or by its SIGTERM.
    fn was_stopped(&self) -> bool {
        self.state == "created" || [0, 137, 143].contains(&self.exit_code)
    }
}

impl Addresses {
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self> {
        let http = |host: &str, port: &str| {
            environment.port(port)?;
            environment.expand(&format!("http://${{{host}}}:${{{port}}}"))
        };
        Ok(Self {
            gateway: http("BIND_HOST", "GATEWAY_PORT")?,
            product: http("BIND_HOST", "PRODUCT_PORT")?,
            inventory: http("BIND_HOST", "INVENTORY_PORT")?,
            order: http("BIND_HOST", "ORDER_PORT")?,
            otlp_http: http("COLLECTOR_HOST", "OTLP_HTTP_PORT")?,
            otlp_grpc: http("COLLECTOR_HOST", "OTLP_GRPC_PORT")?,
            collector_health: http("COLLECTOR_HOST", "OTELCOL_HEALTH_PORT")?,
            collector_zpages: http("COLLECTOR_HOST", "OTELCOL_ZPAGES_PORT")?,
            collector_metrics: http("COLLECTOR_HOST", "OTELCOL_METRICS_PORT")?,
            prometheus: http("PROMETHEUS_HOST", "PROMETHEUS_PORT")?,
            loki: http("LOKI_HOST", "LOKI_PORT")?,
            promtail: http("BIND_HOST", "PROMTAIL_PORT")?,
            tempo: http("TEMPO_HOST", "TEMPO_PORT")?,
            tempo_otlp_http: http("TEMPO_HOST", "TEMPO_OTLP_HTTP_PORT")?,
            grafana: Some(http("BIND_HOST", "GRAFANA_PORT")?),
        })
    }
}
