//! Runs a page's queries, and reads which alerts fire.

use std::time::SystemTime;

use serde_json::Value;
use stack::Instance;
use verify::backend::{Http, LogLine, Loki, Prometheus, Sample, Tempo};
use verify::breaks::AlertPlan;
use verify::claims::Language;
use verify::claims::page::PageQuery;

/// How much of an example is shown.
const WIDTH: usize = 160;
/// Labels that distinguish alerts of one name.
const SIBLINGS: [&str; 5] = ["slo", "service_name", "exporter", "signal", "lane"];

pub struct Backends {
    prometheus: Prometheus,
    alerts: Http,
    loki: Loki,
    tempo: Tempo,
    since: SystemTime,
}

/// One alert of Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub name: String,
    pub labels: Value,
    pub is_firing: bool,
    /// With the value.
    pub summary: String,
}

// === impl Backends ===

impl Backends {
    /// Lines and spans are asked for from now on.
    pub fn new(instance: &Instance) -> anyhow::Result<Self> {
        let at = instance.addresses();
        Ok(Self {
            prometheus: Prometheus::new(&at.prometheus)?,
            alerts: Http::new(&at.prometheus)?,
            loki: Loki::new(&at.loki)?,
            tempo: Tempo::new(&at.tempo)?,
            since: SystemTime::now(),
        })
    }

    /// What a query finds, a line each, the newest first where there is an order.
    pub async fn ask(&self, query: &PageQuery) -> anyhow::Result<Vec<String>> {
        let text = &query.text;
        Ok(match query.language {
            Language::PromQl => {
                let samples = self.prometheus.query(text).await?;
                samples.iter().map(sample).collect()
            }
            Language::LogQl => {
                let lines = self.loki.query(text, self.since, SystemTime::now()).await?;
                lines.iter().rev().map(words).collect()
            }
            Language::TraceQl => {
                let ids = self.tempo.search(text, self.since).await?;
                ids.into_iter().map(|id| format!("trace {id}")).collect()
            }
        })
    }

    /// Whether the gateway's orders of the last seconds are in Prometheus, so that alerts have data.
    pub async fn counts_orders(&self) -> bool {
        let promql = r#"rate(http_server_request_duration_seconds_count{http_route="/api/orders"}[20s]) > 0"#;
        let samples = self.prometheus.query(promql).await;
        samples.is_ok_and(|samples| !samples.is_empty())
    }

    pub async fn alerts(&self) -> anyhow::Result<Vec<Alert>> {
        let answer = self.alerts.json("/api/v1/alerts", &[]).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let listed = answer["data"]["alerts"].as_array().into_iter().flatten();
        let alerts = listed.map(|alert| Alert {
            name: text(&alert["labels"]["alertname"]),
            labels: alert["labels"].clone(),
            is_firing: alert["state"] == "firing",
            summary: text(&alert["annotations"]["summary"]),
        });
        Ok(alerts.collect())
    }
}

fn sample(sample: &Sample) -> String {
    let labels = sample.labels.iter();
    let labels: Vec<_> = labels
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    shorten(&format!("{{{}}} {:.3}", labels.join(", "), sample.value))
}

/// Event, message, and exception, as far as the line has them.
fn words(line: &LogLine) -> String {
    let parts = [
        line.meta("event_name"),
        &line.text,
        line.meta("exception_message"),
    ];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    shorten(&parts.join(": "))
}

fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

// === impl Alert ===

impl Alert {
    pub fn is(&self, plan: &AlertPlan) -> bool {
        let mut labels = plan.of.iter();
        self.name == plan.name && labels.all(|(name, value)| self.labels[name] == **value)
    }

    /// Name, labels and state.
    pub fn describe(&self) -> String {
        let labels = self.labels.as_object().into_iter().flatten();
        let labels = labels.filter(|(name, _)| SIBLINGS.contains(&name.as_str()));
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let state = if self.is_firing { "" } else { " (pending)" };
        format!("{}{{{}}}{state}", self.name, labels.join(","))
    }
}
