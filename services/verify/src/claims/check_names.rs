//! Rejects queries that name a metric, label or attribute that does not exist: such a query has an answer, an empty one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use contract::{AttributeRef, prometheus_name};

use super::names::{PromQl, Selector, logql, traceql};
use super::{Language, Verdict, not_yet};
use crate::check::Scene;

/// The names that Loki and Tempo have; Prometheus is asked metric by metric.
#[derive(Clone, Debug, Default)]
pub struct BackendNames {
    /// Labels and structured metadata.
    logs: BTreeSet<String>,
    /// Attributes with their scope, and intrinsics.
    spans: BTreeSet<String>,
}

/// What Loki itself adds to a line.
const LOKI_ADDS: [&str; 2] = ["detected_level", "service_name"];
/// Labels whose values are not documented.
const FREE: [&str; 3] = ["instance", "le", "quantile"];

// === impl BackendNames ===

impl BackendNames {
    /// Of the backends that this stack has.
    pub async fn of(scene: &Scene) -> anyhow::Result<Self> {
        let mut names = Self::default();
        if super::needs::check(scene, ["loki"]).is_ok() {
            // Components may have logged nothing since the drive.
            let since = scene.prometheus.began(None).await?;
            names.logs = scene.loki.label_names(since).await?;
            names.logs.extend(LOKI_ADDS.map(str::to_owned));
            let since = scene.driven.started;
            let all = r#"{lane=~"otlp|file"}"#;
            for line in scene.loki.query(all, since, SystemTime::now()).await? {
                names.logs.extend(line.metadata.into_keys());
            }
        }
        if let Ok(tempo) = scene.tempo() {
            names.spans = tempo.attributes().await?;
        }
        Ok(names)
    }

    fn has_attribute(&self, name: &str) -> bool {
        match name.strip_prefix('.') {
            Some(bare) => ["span", "resource"]
                .iter()
                .any(|scope| self.spans.contains(&format!("{scope}.{bare}"))),
            None => self.spans.contains(name),
        }
    }
}

/// Every name of the query exists or is documented; in PromQL, it also can be parsed.
pub(super) async fn check(scene: &Scene, language: Language, query: &str) -> Verdict<()> {
    let unknown = match language {
        Language::PromQl => return metrics(scene, query).await,
        Language::LogQl => {
            let names = scene.known().await?;
            let is_unknown =
                |name: &String| !names.logs.contains(name) && !scene.contract.is_label(name);
            let unknown = logql(query).into_iter().find(is_unknown);
            unknown.map(|name| format!("Loki has no label or metadata {name}"))
        }
        Language::TraceQl => {
            let names = scene.known().await?;
            let is_unknown = |name: &String| {
                !names.has_attribute(name) && !scene.contract.is_attribute(without_scope(name))
            };
            let unknown = traceql(query).into_iter().find(is_unknown);
            unknown.map(|name| format!("no span has the attribute {name}"))
        }
    };
    unknown.map_or(Ok(()), not_yet)
}

async fn metrics(scene: &Scene, promql: &str) -> Verdict<()> {
    let names = PromQl::of(&scene.prometheus.parse(promql).await?);
    // A grouping may be by any label of any selector in the query.
    let mut labels: BTreeSet<String> = names.made.clone();
    let mut is_open = false;
    for selector in &names.selectors {
        // It has the labels of the alerts that fire, which may be none.
        if selector.metric.starts_with("ALERTS") {
            is_open = true;
            continue;
        }
        let of = labels_of(scene, selector).await?;
        if of.is_empty() {
            // The labels of a metric that only a failure creates are not known.
            is_open = true;
            check_absent(scene, &selector.metric)?;
            continue;
        }
        let mut matchers = selector.matchers.iter();
        if let Some((label, ..)) =
            matchers.find(|(label, ..)| label != "__name__" && !of.contains(label))
        {
            let state = format!("{} has no label {label}", selector.metric);
            return not_yet(state);
        }
        check_values(scene, selector).await?;
        labels.extend(of);
    }
    let mut unknown = names.labels.difference(&labels);
    match unknown.next() {
        Some(label) if !is_open => not_yet(format!("no metric of the query has a label {label}")),
        _ => Ok(()),
    }
}

/// The labels that the series of a selector's metric have since the drive, or may have by the contract.
async fn labels_of(scene: &Scene, selector: &Selector) -> Verdict<BTreeSet<String>> {
    let mut matchers = selector.matchers.iter();
    let pattern = match matchers.find(|(label, ..)| label == "__name__") {
        Some((_, _, value)) => format!("{{__name__=~{value:?}}}"),
        None if selector.metric.is_empty() => r#"{__name__!=""}"#.to_owned(),
        None => format!("{{__name__={:?}}}", selector.metric),
    };
    // The list of label names also has those of series that have ended.
    let age = scene.driven.started.elapsed().unwrap_or_default();
    let age = age.as_secs().max(1);
    let live = format!("count(last_over_time({pattern}[{age}s]))");
    if scene.prometheus.query(&live).await?.is_empty() {
        return Ok(BTreeSet::new());
    }
    let since = scene.driven.started;
    let mut labels = scene.prometheus.label_names(&pattern, since).await?;
    if let Some(attributes) = documented_series(scene).get(&selector.metric) {
        labels.extend(attributes.iter().map(|used| prometheus_name(&used.name)));
        labels.extend(["service_name", "job", "instance"].map(str::to_owned));
    }
    Ok(labels)
}

/// The attributes of each documented metric, by the names of its series.
fn documented_series(scene: &Scene) -> BTreeMap<String, &[AttributeRef]> {
    let metrics = scene.contract.metrics.iter();
    metrics
        .flat_map(|metric| {
            let series = metric.series().into_iter();
            series.map(|series| (series, &*metric.attributes))
        })
        .collect()
}

/// A metric without a series must be recorded or explained: some are created by the first failure. The services' own start
/// at 0.
fn check_absent(scene: &Scene, metric: &str) -> Verdict<()> {
    let artifacts = &scene.artifacts;
    let mut recordings = artifacts.rules.recordings.iter();
    let is_ours = documented_series(scene).contains_key(metric);
    if recordings.any(|rule| rule.name == metric) || (!is_ours && artifacts.explains(metric)) {
        return Ok(());
    }
    not_yet(format!(
        "Prometheus has no metric {metric}, and no page says that only a failure makes it"
    ))
}

/// An exact value must be in some series or on a reference page. The metric is not compared: a query may ask one service
/// for the metric of another, and fall back.
async fn check_values(scene: &Scene, selector: &Selector) -> Verdict<()> {
    for (label, op, value) in &selector.matchers {
        if op != "=" || value.is_empty() || FREE.contains(&label.as_str()) {
            continue;
        }
        let since = scene.driven.started;
        let values = scene.prometheus.label_values(label, None, since).await?;
        if !values.contains(value) && !scene.artifacts.explains(value) {
            return not_yet(format!("no series has {label}={value:?}"));
        }
    }
    Ok(())
}

/// `span.http.route` and `.http.route` are `http.route`.
fn without_scope(attribute: &str) -> &str {
    let scopes = ["span.", "resource.", "."];
    let mut bare = scopes
        .iter()
        .filter_map(|scope| attribute.strip_prefix(scope));
    bare.next().unwrap_or(attribute)
}
