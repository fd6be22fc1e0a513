//! Runs a page's queries, and reads which alerts fire.

use std::time::SystemTime;

use stack::{Instance, TraceStore};
use verify::backend::{Archive, Http, LogLine, Loki, Prometheus, Tempo};

use super::page::{Language, Query};
use super::traceql::Filter;

/// How much of an example is shown.
const WIDTH: usize = 160;

pub struct Backends {
    prometheus: Prometheus,
    alerts: Http,
    loki: Loki,
    tempo: Tempo,
    /// In Tempo's place.
    archive: Option<Archive>,
    since: SystemTime,
}

/// What a query answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub count: usize,
    pub example: String,
}

/// One alert of Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub name: String,
    pub labels: serde_json::Value,
    pub is_firing: bool,
    /// Its summary, which has the value.
    pub summary: String,
}

// === impl Backends ===

impl Backends {
    /// Lines and spans are asked for from now on.
    pub fn of(instance: &Instance) -> anyhow::Result<Self> {
        let at = instance.addresses();
        Ok(Self {
            prometheus: Prometheus::new(&at.prometheus)?,
            alerts: Http::new(&at.prometheus)?,
            loki: Loki::new(&at.loki)?,
            tempo: Tempo::new(&at.tempo)?,
            archive: match instance.traces() {
                TraceStore::Archive(dir) => Some(Archive::from_now(&dir)?),
                _ => None,
            },
            since: SystemTime::now(),
        })
    }

    /// The newest answer first, where there is an order.
    pub async fn ask(&self, query: &Query) -> anyhow::Result<Found> {
        let told: Vec<String> = match query.language {
            Language::Promql => {
                let samples = self.prometheus.query(&query.text).await?;
                let shown = |sample: &verify::backend::Sample| {
                    let labels = sample.labels.iter();
                    let labels: Vec<_> = labels.map(|(k, v)| format!("{k}={v:?}")).collect();
                    format!("{{{}}} {:.3}", labels.join(", "), sample.value)
                };
                samples.iter().map(shown).collect()
            }
            Language::Logql => {
                let lines = self.loki.query(&query.text, self.since, SystemTime::now());
                lines
                    .await?
                    .into_iter()
                    .rev()
                    .map(|line| told(&line))
                    .collect()
            }
            Language::Traceql => self.traces(&query.text).await?,
        };
        Ok(Found {
            count: told.len(),
            example: told.first().map(|text| shorten(text)).unwrap_or_default(),
        })
    }

    async fn traces(&self, traceql: &str) -> anyhow::Result<Vec<String>> {
        if let Some(archive) = &self.archive {
            let filter = Filter::parse(traceql)?;
            let found = archive.select(|span| filter.matches(span))?;
            let shown = found
                .iter()
                .rev()
                .map(|span| format!("{} in trace {}", span.title(), span.trace_id));
            return Ok(shown.collect());
        }
        let ids = self.tempo.search(traceql, self.since).await?;
        Ok(ids.into_iter().map(|id| format!("trace {id}")).collect())
    }

    /// Whether the gateway's orders of the last seconds are in Prometheus: alerts have something to judge by.
    pub async fn counts_orders(&self) -> bool {
        let promql = r#"rate(http_server_request_duration_seconds_count{http_route="/api/orders"}[20s]) > 0"#;
        let samples = self.prometheus.query(promql).await;
        samples.is_ok_and(|samples| !samples.is_empty())
    }

    pub async fn alerts(&self) -> anyhow::Result<Vec<Alert>> {
        let answer = self.alerts.json("/api/v1/alerts", &[]).await?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let listed = answer["data"]["alerts"].as_array().into_iter().flatten();
        Ok(listed
            .map(|alert| Alert {
                name: text(&alert["labels"]["alertname"]),
                labels: alert["labels"].clone(),
                is_firing: alert["state"] == "firing",
                summary: text(&alert["annotations"]["summary"]),
            })
            .collect())
    }
}

/// Event, words, and what went wrong, as far as the line has them.
fn told(line: &LogLine) -> String {
    let parts = [
        line.meta("event_name"),
        &line.text,
        line.meta("exception_message"),
    ];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(": ")
}

// === impl Alert ===

impl Alert {
    pub fn is(&self, name: &str, (label, value): (&str, &str)) -> bool {
        self.name == name && self.labels[label] == value
    }

    /// Name and what tells it from its siblings, to compare and to show.
    pub fn told(&self) -> String {
        let labels = self.labels.as_object().into_iter().flatten();
        let telling = labels.filter(|(name, _)| {
            ["slo", "service_name", "exporter", "lane"].contains(&name.as_str())
        });
        let telling: Vec<String> = telling
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let state = if self.is_firing { "" } else { " (pending)" };
        format!("{}{{{}}}{state}", self.name, telling.join(","))
    }
}

fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
