//! What is known about one marked order: asks the launcher, the Collector, the backends and the services' files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, SystemTime};

use stack::{Condition, Instance};
use tokio::task::block_in_place;
use uuid::Uuid;
use verify::backend::{Collector, Exposition, Http, LogLine, Loki, Prometheus};
use verify::target::Target;
use verify::trace::Trace;

use crate::shop::{Answer, Shop};

/// In the order in which they are judged: the gateway is ready only when the others are.
pub const SERVICES: [&str; 4] = ["product", "inventory", "order", "gateway"];
/// Around the order, for its lines: clocks may differ.
const MARGIN: Duration = Duration::from_secs(3600);

/// An error is the answer that came instead.
#[derive(Clone, Debug)]
pub struct Facts {
    pub components: BTreeMap<String, Running>,
    pub order: Result<Answer, String>,
    /// The Collector's own counts.
    pub flow: Result<BTreeMap<Signal, Flow>, String>,
    /// Of `tempo` and `loki`, those that are part of the stack.
    pub parts: BTreeSet<String>,
    pub trace: Result<Option<Trace>, String>,
    /// The order's lines in Loki, of both pipelines.
    pub lines: Result<Vec<LogLine>, String>,
    /// Per `service_name`, the time of its newest point in Prometheus, in seconds since 1970.
    pub newest: Result<BTreeMap<String, f64>, String>,
    /// Whether the order's line is in `rust_app_order.log`; `None` where the file cannot be read from here.
    pub is_in_file: Option<bool>,
    /// The links of a scenario's answer, opened.
    pub links: BTreeMap<String, Result<String, String>>,
    /// Environment variables of the services whose process is one of this machine.
    pub settings: BTreeMap<String, BTreeMap<String, String>>,
    /// Where the Collector listens.
    pub otlp: String,
}

/// One component as the launcher sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub is_ready: bool,
    /// Its address, or why it is not ready.
    pub note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    Traces,
    Logs,
    Metrics,
}

/// Items that passed the Collector since the order began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    pub accepted: f64,
    pub sent: f64,
    /// Waiting now, in the queue or on its way.
    pub queued: f64,
    pub failed: f64,
}

/// Places the order, and asks about it.
pub struct Doctor<'a> {
    instance: &'a Instance,
    target: Target,
    loki: Loki,
    prometheus: Prometheus,
    collector: Collector,
    before: Option<Exposition>,
    order: Result<Answer, String>,
    /// The answer of a scenario, which has the links of the scenario page.
    scenario: Option<Answer>,
}

// === impl Signal ===

impl Signal {
    pub const ALL: [Self; 3] = [Self::Traces, Self::Logs, Self::Metrics];

    pub fn named(name: &str) -> Option<Self> {
        match name {
            "traces" => Some(Self::Traces),
            "logs" => Some(Self::Logs),
            "metrics" => Some(Self::Metrics),
            _ => None,
        }
    }

    /// As the Collector's metrics name its items.
    pub fn items(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Logs => "log_records",
            Self::Metrics => "metric_points",
        }
    }

    pub fn exporter(self) -> &'static str {
        match self {
            Self::Traces => "otlp_http/tempo",
            Self::Logs => "otlp_http/loki",
            Self::Metrics => "prometheus_remote_write",
        }
    }
}

// === impl Doctor ===

impl<'a> Doctor<'a> {
    /// Places one order.
    pub async fn begin(instance: &'a Instance) -> anyhow::Result<Self> {
        let target = block_in_place(|| {
            let root = stack::repository_root(&std::env::current_dir()?)?;
            Target::of(&root, instance)
        })?;
        let at = instance.addresses();
        let collector = Collector::new(
            &at.collector_health,
            &at.collector_zpages,
            &at.collector_metrics,
        )?;
        let before = collector.metrics().await.ok();
        let shop = Shop::new(&at.gateway)?;
        let order = shop.order(&format!("doctor-{}", Uuid::now_v7())).await;
        let is_placed = order.as_ref().is_ok_and(|answer| answer.status == 201);
        let scenario = match is_placed {
            true => shop.scenario("normal").await.ok(),
            false => None,
        };
        Ok(Self {
            instance,
            loki: target.loki()?,
            prometheus: target.prometheus()?,
            target,
            collector,
            before,
            order,
            scenario,
        })
    }

    /// Everything that is known now.
    pub async fn look(&self) -> anyhow::Result<Facts> {
        let (id, began) = match &self.order {
            Ok(answer) => (&*answer.trace_id, answer.began),
            Err(_) => ("", SystemTime::now()),
        };
        let query = format!(r#"{{service_name=~".+"}} | trace_id="{id}""#);
        let until = SystemTime::now() + MARGIN;
        let settings = SERVICES.into_iter().filter_map(|service| {
            let all = environment(self.instance.pid(service)?)?;
            Some((service.to_owned(), all))
        });
        let parts = ["tempo", "loki"].into_iter();
        let parts = parts.filter(|name| self.instance.has(name));
        let flow = self.flow().await.map_err(text);
        let mut components = block_in_place(|| self.components())?;
        if let (Err(error), Some(collector)) = (&flow, components.get_mut("otel-collector"))
            && collector.is_ready
        {
            collector.is_ready = false;
            collector.note = format!("not ready: {error}");
        }
        Ok(Facts {
            components,
            order: self.order.clone(),
            flow,
            parts: parts.map(str::to_owned).collect(),
            trace: self.trace(id).await.map_err(text),
            lines: self
                .loki
                .query(&query, began - MARGIN, until)
                .await
                .map_err(text),
            newest: self.newest().await.map_err(text),
            is_in_file: self.is_in_file(id),
            links: self.links().await,
            settings: settings.collect(),
            otlp: self.instance.addresses().otlp_http,
        })
    }

    fn components(&self) -> anyhow::Result<BTreeMap<String, Running>> {
        let rows = self.instance.status()?.into_iter().map(|row| {
            let note = match row.condition {
                Condition::Ready => row.url,
                Condition::NotReady => format!("not ready: {}", row.note),
                Condition::Died => "it exited by itself".to_owned(),
                Condition::Stopped => "it is stopped".to_owned(),
                Condition::Unavailable => format!("it is not on this machine: {}", row.note),
            };
            let is_ready = row.condition == Condition::Ready;
            (row.name.to_string(), Running { is_ready, note })
        });
        Ok(rows.collect())
    }

    async fn flow(&self) -> anyhow::Result<BTreeMap<Signal, Flow>> {
        let now = self.collector.metrics().await?;
        let nothing = Exposition::default();
        let before = self.before.as_ref().unwrap_or(&nothing);
        let flows = Signal::ALL.map(|signal| (signal, flow(signal, before, &now)));
        Ok(flows.into_iter().collect())
    }

    async fn trace(&self, id: &str) -> anyhow::Result<Option<Trace>> {
        self.target.traces_of(id).await?.trace(id).await
    }

    async fn newest(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        let query = "max by (service_name) (timestamp(process_uptime_seconds))";
        let samples = self.prometheus.query(query).await?;
        let named = samples.into_iter().filter_map(|mut sample| {
            let name = sample.labels.remove("service_name")?;
            Some((name, sample.value))
        });
        Ok(named.collect())
    }

    /// In the file system of the process that writes it, which may be a container's.
    fn is_in_file(&self, id: &str) -> Option<bool> {
        let pid = self.instance.pid("order")?;
        let environment = environment(pid)?;
        let dir = environment
            .get("SHOP_LOG_DIR")
            .map_or("/tmp/otel-shop", |dir| dir);
        let text = fs::read(format!("/proc/{pid}/root{dir}/rust_app_order.log")).ok()?;
        Some(!id.is_empty() && String::from_utf8_lossy(&text).contains(id))
    }

    async fn links(&self) -> BTreeMap<String, Result<String, String>> {
        let mut opened = BTreeMap::new();
        let Some(run) = &self.scenario else {
            return opened;
        };
        let grafana = self.instance.addresses().grafana;
        for (kind, link) in run.body["links"].as_object().into_iter().flatten() {
            let link = link.as_str().unwrap_or_default();
            let is_page = grafana
                .as_ref()
                .is_some_and(|grafana| link.starts_with(grafana.as_str()));
            let word = match kind.as_str() {
                // A page of Grafana shows its data to a browser only.
                _ if is_page => "",
                "metrics" => r#""status":"success""#,
                "logs" => &run.trace_id,
                _ => "POST /api/scenarios/{name}",
            };
            let answer = async { Http::new("")?.text(link).await }.await;
            let seen = match answer {
                Ok(text) if text.contains(word) => Ok(link.to_owned()),
                Ok(_) => Err(format!("{link} shows nothing of the run")),
                Err(error) => Err(text(error)),
            };
            opened.insert(kind.clone(), seen);
        }
        opened
    }
}

fn flow(signal: Signal, before: &Exposition, now: &Exposition) -> Flow {
    let items = signal.items();
    let moved = |name: &str, label| {
        let name = format!("otelcol_{name}_{items}");
        now.sum(&name, &[label]) - before.sum(&name, &[label])
    };
    let exporter = ("exporter", signal.exporter());
    let waiting = ["queue_size", "in_flight_requests"];
    let waiting = waiting.map(|name| now.sum(&format!("otelcol_exporter_{name}"), &[exporter]));
    Flow {
        accepted: moved("receiver_accepted", ("receiver", "otlp")),
        sent: moved("exporter_sent", exporter),
        failed: moved("exporter_send_failed", exporter),
        queued: waiting.iter().sum(),
    }
}

fn environment(pid: u32) -> Option<BTreeMap<String, String>> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let environ = String::from_utf8_lossy(&bytes);
    let pairs = environ.split('\0').filter_map(|pair| pair.split_once('='));
    Some(
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

fn text(error: anyhow::Error) -> String {
    format!("{error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_counts_since_the_order_and_the_receiver_of_the_services_only() {
        let scrape = |accepted: u32, sent: u32| {
            Exposition::parse(&format!(
                "otelcol_receiver_accepted_spans{{receiver=\"otlp\"}} {accepted}\n\
                 otelcol_receiver_accepted_spans{{receiver=\"otlp/archive\"}} 900\n\
                 otelcol_exporter_sent_spans{{exporter=\"otlp_http/tempo\"}} {sent}\n\
                 otelcol_exporter_sent_spans{{exporter=\"file/archive\"}} 900\n\
                 otelcol_exporter_queue_size{{exporter=\"otlp_http/tempo\"}} 3\n"
            ))
        };
        let flow = flow(Signal::Traces, &scrape(10, 10), &scrape(33, 30));
        assert_eq!((flow.accepted, flow.sent, flow.queued), (23.0, 20.0, 3.0));
    }
}
