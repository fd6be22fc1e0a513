//! What runs, where, and whether it is ready.

use serde::Serialize;

use crate::docker::Container;
use crate::environment::Environment;
use crate::error::Result;
use crate::instance::Instance;

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
        let containers = match self.docker {
            true => self.containers()?,
            false => Vec::new(),
        };
        let rows = self.topology.components.iter().map(|component| {
            let name = &component.name;
            let container = containers.iter().find(|c| c.service == *name);
            let running = container.filter(|container| container.is_running());
            let record = state.alive(name);
            let identity = record.map(|record| record.identity.clone());
            let identity = identity.or_else(|| running.and_then(Container::process));
            let has_died = match container {
                Some(container) => !container.was_stopped(),
                None => state.last(name).is_some(),
            };
            let (condition, note) = match self.lack(component) {
                _ if record.is_some() || running.is_some() => match self.probe_of(component)?.ask()
                {
                    Ok(()) => (Condition::Ready, String::new()),
                    Err(seen) => (Condition::NotReady, seen),
                },
                _ if has_died => (Condition::Died, format!("see `just logs {name}`")),
                Some(reason) => (Condition::Unavailable, reason),
                None => (Condition::Stopped, String::new()),
            };
            Ok(Status {
                name: name.clone(),
                condition,
                pid: identity.as_ref().map(|identity| identity.pid),
                memory: identity.and_then(|identity| identity.memory()),
                url: self.environment.expand(&component.url)?,
                note,
            })
        });
        rows.collect()
    }

    /// Whether the process or container of a component is alive.
    #[must_use]
    pub fn is_running(&self, name: &str) -> bool {
        let containers = || match self.docker {
            true => self.containers().unwrap_or_default(),
            false => Vec::new(),
        };
        let is_it = |container: &Container| container.service == name && container.is_running();
        self.pid(name).is_some() || containers().iter().any(is_it)
    }

    /// The process id of a running component. A container has none here.
    #[must_use]
    pub fn pid(&self, name: &str) -> Option<u32> {
        let state = self.state().ok()?;
        u32::try_from(state.alive(name)?.identity.pid).ok()
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
