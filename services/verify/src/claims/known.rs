//! The names that the backends have, and the refusal of every other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use contract::{AttributeRef, prometheus_name};

use super::names::{PromQl, Selector, logql, traceql};
use super::{Artifacts, Language};
use crate::check::Scene;
use crate::poll::Look;

/// What Loki and Tempo have; Prometheus is asked metric by metric.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Labels and structured metadata.
    loki: BTreeSet<String>,
    tempo: BTreeSet<String>,
}

/// Loki's own additions to a line.
const LOKI_ADDS: [&str; 2] = ["detected_level", "service_name"];
/// The values that a label's name says nothing about.
const FREE: [&str; 3] = ["instance", "le", "quantile"];

// === impl Known ===

impl Known {
    pub async fn of(scene: &Scene) -> anyhow::Result<Self> {
        // Components may have said nothing since the drive began.
        let lifetime = scene.prometheus.began(None).await?;
        let mut loki = scene.loki.label_names(lifetime).await?;
        loki.extend(LOKI_ADDS.map(str::to_owned));
        let now = SystemTime::now();
        for lane in [r#"{lane="otlp"}"#, r#"{lane="file"}"#] {
            let lines = scene.loki.query(lane, scene.driven.started, now);
            for line in lines.await? {
                loki.extend(line.metadata.into_keys());
            }
        }
        let tempo = match scene.tempo() {
            Ok(tempo) => tempo.attributes().await?,
            Err(_) => BTreeSet::new(),
        };
        Ok(Self { loki, tempo })
    }
}

/// Why a query cannot be asked: what it is about is not on this machine, or it has a name that nobody knows. For PromQL,
/// also a query that is none.
pub(super) async fn unknown(
    scene: &Scene,
    language: Language,
    query: &str,
) -> anyhow::Result<Option<Look>> {
    // Tempo's own metrics have its name in front.
    if (language == Language::TraceQl || query.contains("tempo_"))
        && let Err(missing) = scene.tempo()
    {
        return Ok(Some(missing));
    }
    Ok(strange(scene, language, query).await?.map(Look::NotYet))
}

async fn strange(scene: &Scene, language: Language, query: &str) -> anyhow::Result<Option<String>> {
    Ok(match language {
        Language::PromQl => return metrics(scene, query).await,
        Language::LogQl => {
            let known = scene.known().await?;
            let strange = logql(query)
                .into_iter()
                .find(|name| !known.loki.contains(name) && !scene.contract.is_label(name));
            strange.map(|name| format!("Loki has no label or metadata {name}"))
        }
        Language::TraceQl => {
            let known = scene.known().await?;
            let strange = traceql(query).into_iter().find(|name| {
                !is_in_traces(&known.tempo, name)
                    && !scene.contract.is_attribute(without_scope(name))
            });
            strange.map(|name| format!("no span has the attribute {name}"))
        }
    })
}

/// What a PromQL query names.
pub(super) async fn parsed(scene: &Scene, promql: &str) -> anyhow::Result<PromQl> {
    Ok(PromQl::of(&scene.prometheus.parse(promql).await?))
}

async fn metrics(scene: &Scene, promql: &str) -> anyhow::Result<Option<String>> {
    let names = parsed(scene, promql).await?;
    // A grouping may be by any label of any selector in the query.
    let mut labels: BTreeSet<String> = names.made.clone();
    let mut is_open = false;
    for selector in &names.selectors {
        if selector.metric.starts_with("ALERTS") {
            // It has the labels of what fires, which is nothing while all is well.
            is_open = true;
            continue;
        }
        let of = labels_of(scene, selector).await?;
        if of.is_empty() {
            // Nothing tells the labels of a metric that only a failure brings about.
            is_open = true;
            if let Some(strange) = absent(&scene.artifacts, scene, selector) {
                return Ok(Some(strange));
            }
        } else if let Some((label, ..)) = selector
            .matchers
            .iter()
            .find(|(label, ..)| label != "__name__" && !of.contains(label))
        {
            return Ok(Some(format!("{} has no label {label}", selector.metric)));
        } else if let Some(strange) = strange_value(scene, selector).await? {
            return Ok(Some(strange));
        }
        labels.extend(of);
    }
    Ok(names
        .labels
        .iter()
        .find(|label| !is_open && !labels.contains(*label))
        .map(|label| format!("no metric of the query has a label {label}")))
}

/// The labels that the series of a selector's metric have now, or may have by the contract.
async fn labels_of(scene: &Scene, selector: &Selector) -> anyhow::Result<BTreeSet<String>> {
    let pattern = if selector.metric.is_empty() {
        let name = selector
            .matchers
            .iter()
            .find(|(label, ..)| label == "__name__");
        name.map_or_else(
            || r#"{__name__!=""}"#.to_owned(),
            |(_, _, value)| format!("{{__name__=~{value:?}}}"),
        )
    } else {
        format!("{{__name__={:?}}}", selector.metric)
    };
    // The list of names also has those of series that have ended.
    let age = scene.driven.started.elapsed().unwrap_or_default();
    let live = format!(
        "count(last_over_time({pattern}[{}s]))",
        age.as_secs().max(1)
    );
    if scene.prometheus.query(&live).await?.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut labels = scene
        .prometheus
        .label_names(&pattern, scene.driven.started)
        .await?;
    if let Some(attributes) = contracted(scene).get(&selector.metric) {
        labels.extend(attributes.iter().map(|used| prometheus_name(&used.name)));
        labels.extend(["service_name", "job", "instance"].map(str::to_owned));
    }
    Ok(labels)
}

/// The attributes of each documented metric, by the names of its series.
fn contracted(scene: &Scene) -> BTreeMap<String, &[AttributeRef]> {
    let metrics = scene.contract.metrics.iter();
    metrics
        .flat_map(|metric| {
            let series = metric.series().into_iter();
            series.map(|series| (series, &*metric.attributes))
        })
        .collect()
}

/// A metric without a series must at least be explained: some appear with the first failure only.
fn absent(artifacts: &Artifacts, scene: &Scene, selector: &Selector) -> Option<String> {
    let metric = &selector.metric;
    let is_recorded = || {
        artifacts
            .rules
            .recordings
            .iter()
            .any(|rule| rule.name == *metric)
    };
    // What the services emit is always there: it starts at 0.
    let is_ours = contracted(scene).contains_key(metric);
    let is_known = is_recorded() || (!is_ours && artifacts.explains(metric));
    (!is_known).then(|| {
        format!("Prometheus has no metric {metric}, and no page says that only a failure makes it")
    })
}

/// An exact value that no series has and no page names. Of which metric does not matter: a query may ask one service for
/// what another has, and fall back.
async fn strange_value(scene: &Scene, selector: &Selector) -> anyhow::Result<Option<String>> {
    for (label, op, value) in &selector.matchers {
        if op != "=" || value.is_empty() || FREE.contains(&label.as_str()) {
            continue;
        }
        let values = scene
            .prometheus
            .label_values(label, None, scene.driven.started)
            .await?;
        if !values.contains(value) && !scene.artifacts.explains(value) {
            return Ok(Some(format!("no series has {label}={value:?}")));
        }
    }
    Ok(None)
}

/// `span.http.route` and `.http.route` are `http.route`.
fn without_scope(attribute: &str) -> &str {
    let scopes = ["span.", "resource.", "."];
    let mut bare = scopes
        .iter()
        .filter_map(|scope| attribute.strip_prefix(scope));
    bare.next().unwrap_or(attribute)
}

fn is_in_traces(known: &BTreeSet<String>, name: &str) -> bool {
    match name.strip_prefix('.') {
        Some(bare) => ["span", "resource"]
            .iter()
            .any(|scope| known.contains(&format!("{scope}.{bare}"))),
        None => known.contains(name),
    }
}

/// A word of its own in `text`: `up` is not in `group_up`.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_without_a_scope_may_be_of_either() {
        let known = BTreeSet::from(["span.shop.fault".to_owned(), "kind".to_owned()]);
        assert!(is_in_traces(&known, ".shop.fault") && is_in_traces(&known, "kind"));
        assert!(!is_in_traces(&known, "resource.shop.fault"));
    }

    #[test]
    fn a_word_is_not_a_part_of_another() {
        assert!(has_word("sum(up)", "up") && !has_word("group_up", "up"));
        assert!(!has_word("ups", "up") && has_word("a:b", "a:b"));
    }
}
