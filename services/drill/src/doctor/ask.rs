//! Asks the launcher, the Collector, the backends and the files about the marked order.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use stack::{Addresses, Condition, Instance, TraceStore};
use tokio::task::block_in_place;
use uuid::Uuid;
use verify::backend::{Archive, Collector, Exposition, Http, Loki, Prometheus, Tempo};
use verify::trace::Trace;

use super::facts::{Facts, Flow, Running, SERVICES, Signal};
use crate::shop::{Answer, Shop};

const COMPONENTS: [&str; 10] = [
    "otel-collector",
    "tempo",
    "prometheus",
    "loki",
    "promtail",
    "grafana",
    "product",
    "inventory",
    "order",
    "gateway",
];
/// Around the order, for its lines: clocks may differ.
const MARGIN: Duration = Duration::from_secs(3600);
/// Variables of a service that decide where its telemetry goes and under what name.
const TELLING: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_SERVICE_NAME",
    "SHOP_LOG_DIR",
];

pub struct Doctor<'a> {
    instance: &'a Instance,
    at: Addresses,
    store: TraceStore,
    tempo: Tempo,
    loki: Loki,
    prometheus: Prometheus,
    collector: Collector,
    shop: Shop,
}

/// The order, and what had gone through the Collector before it.
pub struct Before {
    scrape: Option<Exposition>,
    order: Result<Answer, String>,
    /// A scenario's answer, which has the links of the scenario page.
    scenario: Option<Answer>,
    is_archived: bool,
}

// === impl Doctor ===

impl<'a> Doctor<'a> {
    pub fn new(instance: &'a Instance) -> anyhow::Result<Self> {
        let at = instance.addresses();
        Ok(Self {
            instance,
            store: instance.traces(),
            tempo: Tempo::new(&at.tempo)?,
            loki: Loki::new(&at.loki)?,
            prometheus: Prometheus::new(&at.prometheus)?,
            collector: Collector::new(
                &at.collector_health,
                &at.collector_zpages,
                &at.collector_metrics,
            )?,
            shop: Shop::new(&at.gateway)?,
            at,
        })
    }

    pub async fn begin(&self) -> Before {
        let scrape = self.collector.metrics().await.ok();
        let is_archived =
            matches!(self.store, TraceStore::Archive(_)) && self.tempo.ready().await.is_err();
        let key = format!("doctor-{}", Uuid::now_v7());
        let order = self.shop.order(&key).await;
        let is_placed = order.as_ref().is_ok_and(|answer| answer.status == 201);
        let scenario = match is_placed {
            true => self.shop.scenario("normal").await.ok(),
            false => None,
        };
        Before {
            scrape,
            order,
            scenario,
            is_archived,
        }
    }

    /// Everything that is known now.
    pub async fn look(&self, before: &Before) -> anyhow::Result<Facts> {
        let (id, began) = match &before.order {
            Ok(answer) => (&*answer.trace_id, answer.began),
            Err(_) => ("", SystemTime::now()),
        };
        Ok(Facts {
            components: block_in_place(|| self.components())?,
            order: before.order.clone(),
            flow: self.flow(before.scrape.as_ref()).await,
            is_archived: before.is_archived,
            trace: self.trace(before.is_archived, id).await,
            lines: self
                .loki
                .query(
                    &format!(r#"{{service_name=~".+"}} | trace_id="{id}""#),
                    began - MARGIN,
                    SystemTime::now() + MARGIN,
                )
                .await
                .map_err(told),
            newest: self.newest().await.map_err(told),
            is_in_file: self.is_in_file(id),
            links: self.links(before.scenario.as_ref()).await,
            settings: self.settings(),
            otlp: self.at.otlp_http.clone(),
        })
    }

    fn components(&self) -> anyhow::Result<BTreeMap<&'static str, Running>> {
        let rows = self.instance.status()?;
        let known = COMPONENTS.into_iter().filter_map(|component| {
            let row = rows.iter().find(|row| row.name == component)?;
            let is_ready = row.condition == Condition::Ready;
            let note = match row.condition {
                Condition::Ready => row.url.clone(),
                Condition::NotReady => format!("not ready: {}", row.note),
                Condition::Died => "it ended by itself".to_owned(),
                Condition::Stopped => "it is stopped".to_owned(),
                Condition::Unavailable => format!("it is not on this machine: {}", row.note),
            };
            Some((component, Running { is_ready, note }))
        });
        Ok(known.collect())
    }

    async fn flow(&self, before: Option<&Exposition>) -> Result<BTreeMap<Signal, Flow>, String> {
        let now = self.collector.metrics().await.map_err(told)?;
        let nothing = Exposition::default();
        let before = before.unwrap_or(&nothing);
        Ok(Signal::ALL
            .into_iter()
            .map(|signal| (signal, flow(signal, before, &now)))
            .collect())
    }

    async fn trace(&self, is_archived: bool, id: &str) -> Result<Option<Trace>, String> {
        match &self.store {
            TraceStore::Archive(dir) if is_archived => Archive::of_trace(dir, id).trace(id),
            _ => self.tempo.trace(id).await,
        }
        .map_err(told)
    }

    async fn newest(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        let samples = self
            .prometheus
            .query("max by (service_name) (timestamp(process_uptime_seconds))")
            .await?;
        let named = samples.into_iter().filter_map(|mut sample| {
            let name = sample.labels.remove("service_name")?;
            Some((name, sample.value))
        });
        Ok(named.collect())
    }

    /// Asked of the process that writes it, as a container has a file system of its own. `None` where it cannot be looked into.
    fn is_in_file(&self, id: &str) -> Option<bool> {
        let pid = self.instance.pid("order")?;
        let told = environment(pid)?;
        let dir = told.get("SHOP_LOG_DIR").map_or("/tmp/otel-shop", |dir| dir);
        let text = fs::read(format!("/proc/{pid}/root{dir}/rust_app_order.log")).ok()?;
        Some(!id.is_empty() && String::from_utf8_lossy(&text).contains(id))
    }

    async fn links(&self, run: Option<&Answer>) -> BTreeMap<String, Result<String, String>> {
        let mut opened = BTreeMap::new();
        let links = run.and_then(|run| run.body["links"].as_object().zip(Some(&run.trace_id)));
        let Some((links, id)) = links else {
            return opened;
        };
        for (kind, link) in links {
            let link = link.as_str().unwrap_or_default();
            // A page of Grafana's shows its data to a browser only.
            let is_page = self
                .at
                .grafana
                .as_ref()
                .is_some_and(|grafana| link.starts_with(grafana.as_str()));
            let word = match kind.as_str() {
                _ if is_page => "",
                "metrics" => r#""status":"success""#,
                "logs" => id.as_str(),
                _ => "POST /api/scenarios/{name}",
            };
            let answer = async { Http::new("")?.text(link).await }.await;
            let seen = match answer {
                Ok(text) if text.contains(word) => Ok(link.to_owned()),
                Ok(_) => Err(format!("{link} shows nothing of the run")),
                Err(error) => Err(told(error)),
            };
            opened.insert(kind.clone(), seen);
        }
        opened
    }

    fn settings(&self) -> BTreeMap<&'static str, BTreeMap<String, String>> {
        let of = |service| Some((service, environment(self.instance.pid(service)?)?));
        SERVICES.into_iter().filter_map(of).collect()
    }
}

fn flow(signal: Signal, before: &Exposition, now: &Exposition) -> Flow {
    let items = signal.items();
    let exporter = [("exporter", signal.exporter())];
    let moved =
        |name: String, wanted: &[(&str, &str)]| now.sum(&name, wanted) - before.sum(&name, wanted);
    Flow {
        accepted: moved(
            format!("otelcol_receiver_accepted_{items}"),
            &[("receiver", "otlp")],
        ),
        sent: moved(format!("otelcol_exporter_sent_{items}"), &exporter),
        failed: moved(format!("otelcol_exporter_send_failed_{items}"), &exporter),
        queued: now.sum("otelcol_exporter_queue_size", &exporter)
            + now.sum("otelcol_exporter_in_flight_requests", &exporter),
    }
}

fn environment(pid: u32) -> Option<BTreeMap<String, String>> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
    Some(telling(&String::from_utf8_lossy(&bytes)))
}

/// What `/proc/PID/environ` says about telemetry.
fn telling(environ: &str) -> BTreeMap<String, String> {
    let pairs = environ.split('\0').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(name, _)| TELLING.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn told(error: anyhow::Error) -> String {
    format!("{error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_counts_from_the_order_on_and_the_services_receiver_only() {
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

    #[test]
    fn only_what_decides_about_telemetry_is_read_of_a_process() {
        let read = telling("PATH=/bin\0OTEL_SERVICE_NAME=prodcut\0SHOP_X=1\0");
        assert_eq!(
            read.into_iter().collect::<Vec<_>>(),
            [("OTEL_SERVICE_NAME".into(), "prodcut".into())]
        );
    }
}
