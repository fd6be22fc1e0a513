//! Looking: what runs, where, and whether it is ready.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::component::{COMPONENTS, Component, component};
use crate::docker::Container;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::process::tail;
use crate::state::Record;
use crate::wait;

/// One component, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    pub name: &'static str,
    pub condition: Condition,
    pub pid: Option<i32>,
    /// Resident, in bytes.
    pub memory: Option<u64>,
    pub url: String,
    /// Why it is not there, or not ready.
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
    /// No program or image on this machine.
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
        let places = self.places()?;
        let memory = match &self.docker {
            Some(docker) => self.memory_inside(docker, &places),
            None => BTreeMap::new(),
        };
        let rows = COMPONENTS.iter().map(|component| {
            if places.is_inside(component) {
                return self.status_inside(component, places.container(component.name), &memory);
            }
            let url = self.environment.expand(component.url)?;
            let row = |condition, note: String| Status {
                name: component.name,
                condition,
                pid: None,
                memory: None,
                url,
                note,
            };
            let Some(record) = state.alive(component.name) else {
                return Ok(
                    match (state.last(component.name), self.obstacle(component)) {
                        (Some(_), _) => row(
                            Condition::Died,
                            format!("see `just logs {}`", component.name),
                        ),
                        (None, Some(remedy)) => row(Condition::Unavailable, remedy.to_owned()),
                        (None, None) => row(Condition::Stopped, String::new()),
                    },
                );
            };
            let row = match self.probe_of(component)?.ask() {
                Ok(()) => row(Condition::Ready, self.note_of(component, record)?),
                Err(seen) => row(Condition::NotReady, seen),
            };
            Ok(Status {
                pid: Some(record.identity.pid),
                memory: record.identity.memory(),
                ..row
            })
        });
        rows.collect()
    }

    /// What `run` would take over, if there is something.
    fn note_of(&self, component: &Component, record: &Record) -> Result<String> {
        let reason = self.outdated(component, record, &record.program)?;
        let note = |reason| format!("{reason} since its start: `just run` takes it over");
        Ok(reason.map(note).unwrap_or_default())
    }

    /// Whether the process or container that was started is alive.
    #[must_use]
    pub fn is_running(&self, name: &str) -> bool {
        if self.docker.is_some()
            && let Ok(places) = self.places()
            && component(name).is_ok_and(|component| places.is_inside(component))
        {
            return places.container(name).is_some_and(Container::is_running);
        }
        self.pid(name).is_some()
    }

    /// The pid of a running component. A container's is there only if its process is one of this machine, and we may
    /// look into it.
    #[must_use]
    pub fn pid(&self, name: &str) -> Option<u32> {
        if self.docker.is_some() {
            let places = self.places().ok()?;
            if places.is_inside(component(name).ok()?) {
                return u32::try_from(places.container(name)?.visible_pid()?).ok();
            }
        }
        let state = self.state().ok()?;
        u32::try_from(state.alive(name)?.identity.pid).ok()
    }

    /// Waits until a component that was started is ready (again).
    pub fn wait_ready(&self, name: &str, patience: Duration) -> Result<()> {
        let component = component(name)?;
        let started = Instant::now();
        let mut seen = String::new();
        let is_ready = wait::until(patience, || {
            let now = self.readiness_of(component).and_then(|now| now);
            now.map_err(|error| seen = error).is_ok()
        });
        if is_ready {
            return Ok(());
        }
        let log = self.component_log(name);
        let state = self.state()?;
        let offset = match state.last(name) {
            Some(record) if log == self.process_log(name) => record.log_offset,
            _ => 0,
        };
        Err(Error::NotReady {
            component: name.to_owned(),
            after: started.elapsed(),
            state: seen,
            tail: tail(&log, offset, 15),
            log,
        })
    }

    fn readiness_of(&self, component: &Component) -> Result<Result<(), String>, String> {
        let places = self.places().map_err(|error| error.to_string())?;
        let now = match places.container(component.name) {
            Some(container) if places.is_inside(component) => self.readiness(component, container),
            None if places.is_inside(component) => Ok(Err("it was not started".to_owned())),
            _ => self.probe_of(component).map(|probe| probe.ask()),
        };
        now.map_err(|error| error.to_string())
    }

    /// Where everything listens, or would.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let grafana = component("grafana").is_ok_and(|grafana| self.obstacle(grafana).is_none());
        let shipped = self.addresses.clone();
        Addresses {
            grafana: shipped.grafana.filter(|_| grafana),
            ..shipped
        }
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
