//! Documented = emitted: compares the names of the contract with those in the backends, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use contract::prometheus_name;

use super::Scene;
use super::epoch_seconds;
use crate::backend::Sample;
use crate::poll::Look;
use crate::trace::Kind;

/// Labels that are no attributes: made from the resource, or part of a histogram.
const RESOURCE_LABELS: [&str; 7] = [
    "__name__",
    "job",
    "instance",
    "service_name",
    "le",
    "otel_scope_name",
    "otel_scope_version",
];
/// The series of all services' own metrics, by the job that the Collector makes from their resource.
const OURS: &str = r#"job=~"shop/.*""#;

/// Each documented metric has a sample of this run, under the name its unit gives it, with documented labels only.
pub(super) async fn metrics(scene: &Scene) -> anyhow::Result<Look> {
    let started = epoch_seconds(scene.driven.started);
    let mut missing = BTreeSet::new();
    for metric in &scene.contract.metrics {
        let name = &metric.name;
        let mut samples = Vec::new();
        for series in metric.series() {
            let newer = format!("timestamp({series}{{{OURS}}}) >= {started:.3}");
            let found = scene.prometheus.query(&newer).await?;
            if found.is_empty() {
                missing.insert(format!("{name} (as {series})"));
            }
            samples.extend(found);
        }
        let known: BTreeSet<String> = metric
            .attributes
            .iter()
            .map(|used| prometheus_name(&used.name))
            .collect();
        if let Some(label) = undocumented_label(&samples, &known) {
            return Ok(Look::Broken(format!(
                "{name} has the label {label}, which is not documented"
            )));
        }
    }
    Ok(if missing.is_empty() {
        Look::Holds(format!("{} metrics", scene.contract.metrics.len()))
    } else {
        Look::NotYet(format!("not emitted: {}", joined(&missing)))
    })
}

fn undocumented_label(samples: &[Sample], known: &BTreeSet<String>) -> Option<String> {
    samples
        .iter()
        .flat_map(|sample| sample.labels.keys())
        .find(|label| !known.contains(*label) && !RESOURCE_LABELS.contains(&label.as_str()))
        .cloned()
}

pub(super) async fn no_other_metric(scene: &Scene) -> anyhow::Result<Look> {
    let age = scene.driven.started.elapsed().unwrap_or_default().as_secs();
    let query = format!("count by (__name__) (last_over_time({{{OURS}}}[{age}s]))");
    let emitted: BTreeSet<String> = scene
        .prometheus
        .query(&query)
        .await?
        .into_iter()
        .filter_map(|mut sample| sample.labels.remove("__name__"))
        .collect();
    let documented: BTreeSet<String> = scene
        .contract
        .metrics
        .iter()
        .flat_map(|metric| metric.series())
        .collect();
    // `target_info` is the resource; the recording rules make what they name of what is documented.
    let recordings = &scene.artifacts.rules.recordings;
    let other: BTreeSet<String> = emitted
        .iter()
        .filter(|name| !documented.contains(*name))
        .filter(|name| *name != "target_info" && !recordings.iter().any(|rule| rule.name == **name))
        .cloned()
        .collect();
    Ok(if emitted.is_empty() {
        Look::NotYet("no metric at all".to_owned())
    } else if other.is_empty() {
        Look::Holds(format!("{} names of series", emitted.len()))
    } else {
        Look::Broken(format!("not documented: {}", joined(&other)))
    })
}

pub(super) async fn spans(scene: &Scene) -> anyhow::Result<Look> {
    let traces = match scene.all_traces().await? {
        Ok(traces) => traces,
        Err(not_yet) => return Ok(not_yet),
    };
    let mut business: BTreeMap<&str, &str> = BTreeMap::new();
    for span in traces.iter().flat_map(|trace| &trace.spans) {
        if span.kind == Kind::Internal {
            business.insert(&span.name, span.service());
        } else if !scene
            .contract
            .is_edge_name(&span.name, |key| span.attribute(key))
        {
            return Ok(Look::Broken(format!(
                "{} has a name that its attributes do not give it, or a route that is not documented",
                span.title()
            )));
        }
    }
    Ok(compare(
        &scene.contract.span_names(),
        &business,
        &scene.checks.unprovoked,
    ))
}

pub(super) async fn events(scene: &Scene) -> anyhow::Result<Look> {
    let lines = scene.logs.all_since(scene.driven.started).await?;
    let mut emitted: BTreeMap<&str, &str> = BTreeMap::new();
    for line in &lines {
        emitted.insert(line.meta("event_name"), line.label("service_name"));
    }
    Ok(compare(
        &scene.contract.event_names(),
        &emitted,
        &scene.checks.unprovoked,
    ))
}

/// `emitted` maps a name to one service that uses it.
fn compare(
    documented: &BTreeSet<&str>,
    emitted: &BTreeMap<&str, &str>,
    unprovoked: &BTreeMap<String, String>,
) -> Look {
    let unknown: BTreeSet<String> = emitted
        .iter()
        .filter(|(name, _)| !documented.contains(**name))
        .map(|(name, service)| format!("{name:?} of {service}"))
        .collect();
    let missing: BTreeSet<String> = documented
        .iter()
        .filter(|name| !emitted.contains_key(**name))
        .filter(|name| !unprovoked.contains_key(**name))
        .map(|name| (*name).to_owned())
        .collect();
    if !unknown.is_empty() {
        Look::Broken(format!("not documented: {}", joined(&unknown)))
    } else if !missing.is_empty() {
        Look::NotYet(format!("not emitted: {}", joined(&missing)))
    } else {
        Look::Holds(format!("{} names", emitted.len()))
    }
}

fn joined(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documented() -> BTreeSet<&'static str> {
        BTreeSet::from(["order.placed", "service.stopped"])
    }

    fn unprovoked() -> BTreeMap<String, String> {
        BTreeMap::from([("service.stopped".to_owned(), String::new())])
    }

    #[test]
    fn an_undocumented_name_is_reported_with_its_service() {
        let look = compare(
            &documented(),
            &BTreeMap::from([("order.placed", "order"), ("order.plcaed", "order")]),
            &unprovoked(),
        );
        assert_eq!(
            look,
            Look::Broken(r#"not documented: "order.plcaed" of order"#.to_owned())
        );
    }

    #[test]
    fn a_documented_name_that_is_not_emitted_is_reported_unless_no_request_provokes_it() {
        assert_eq!(
            compare(&documented(), &BTreeMap::new(), &unprovoked()),
            Look::NotYet("not emitted: order.placed".to_owned())
        );
    }

    #[test]
    fn a_label_that_is_not_a_documented_attribute_is_reported() {
        let labels = BTreeMap::from([
            ("service_name".to_owned(), "order".to_owned()),
            ("order_id".to_owned(), "1".to_owned()),
        ]);
        let samples = [Sample { labels, value: 1.0 }];
        assert_eq!(
            undocumented_label(&samples, &BTreeSet::new()),
            Some("order_id".to_owned())
        );
        assert_eq!(
            undocumented_label(&samples, &BTreeSet::from(["order_id".to_owned()])),
            None
        );
    }
}
