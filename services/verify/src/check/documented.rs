//! Documented = emitted: what `TELEMETRY.md` names and what the backends hold, both ways.

use std::collections::{BTreeMap, BTreeSet};

use super::Scene;
use super::metrics::epoch_seconds;
use crate::backend::Sample;
use crate::contract::{Contract, prometheus_name};
use crate::expectations::UNPROVOKED;
use crate::poll::Look;
use crate::trace::{Kind, Span};

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
    for (name, metric) in &scene.contract.metrics {
        let mut samples = Vec::new();
        for series in metric.series(name) {
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
            .map(|key| prometheus_name(key))
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
        .flat_map(|(name, metric)| metric.series(name))
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
            business.insert(&span.name, &span.service);
        } else if !is_edge_name(&scene.contract, span) {
            return Ok(Look::Broken(format!(
                "{} is named after nothing that is documented",
                span.title()
            )));
        }
    }
    Ok(compare(&scene.contract.spans, &business))
}

/// The naming rules of edge spans; that of gRPC is the full method.
fn is_edge_name(contract: &Contract, span: &Span) -> bool {
    let of = |key| span.attribute(key).unwrap_or_default();
    if span.is_database() {
        return span.name == format!("{} {}", of("db.operation.name"), of("db.collection.name"));
    }
    if span.attributes.contains_key("rpc.system.name") {
        return span.name == of("rpc.method") && span.name.contains('/');
    }
    let method = of("http.request.method");
    match span.name.split_once(' ') {
        Some((named, route)) => named == method && contract.routes.contains(route),
        None => span.name == method && !span.attributes.contains_key("http.route"),
    }
}

pub(super) async fn events(scene: &Scene) -> anyhow::Result<Look> {
    let lines =
        super::logs::since_start(scene, r#"{lane="otlp",service_namespace="shop"}"#).await?;
    let mut emitted: BTreeMap<&str, &str> = BTreeMap::new();
    for line in &lines {
        emitted.insert(line.meta("event_name"), line.label("service_name"));
    }
    Ok(compare(&scene.contract.events, &emitted))
}

/// `emitted` maps a name to one service that uses it.
fn compare(documented: &BTreeSet<String>, emitted: &BTreeMap<&str, &str>) -> Look {
    let unknown: BTreeSet<String> = emitted
        .iter()
        .filter(|(name, _)| !documented.contains(**name))
        .map(|(name, service)| format!("{name:?} of {service}"))
        .collect();
    let missing: BTreeSet<String> = documented
        .iter()
        .filter(|name| !emitted.contains_key(name.as_str()))
        .filter(|name| !UNPROVOKED.iter().any(|(unprovoked, _)| unprovoked == name))
        .cloned()
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
    use crate::trace::sample::span;

    fn documented() -> BTreeSet<String> {
        BTreeSet::from(["order.placed".to_owned(), "service.stopped".to_owned()])
    }

    #[test]
    fn a_name_nobody_documented_is_named_with_its_service() {
        let look = compare(
            &documented(),
            &BTreeMap::from([("order.placed", "order"), ("order.plcaed", "order")]),
        );
        assert_eq!(
            look,
            Look::Broken(r#"not documented: "order.plcaed" of order"#.to_owned())
        );
    }

    #[test]
    fn a_documented_name_that_is_not_emitted_is_named_unless_nothing_provokes_it() {
        assert_eq!(
            compare(&documented(), &BTreeMap::new()),
            Look::NotYet("not emitted: order.placed".to_owned())
        );
    }

    #[test]
    fn an_edge_span_is_named_after_its_route_and_never_after_a_path() {
        let contract = Contract {
            routes: BTreeSet::from(["/products/{id}".to_owned()]),
            ..Contract::default()
        };
        let mut span = span("a", None, "product", Kind::Server, "GET /products/{id}");
        span.attributes
            .insert("http.request.method".into(), "GET".into());
        assert!(is_edge_name(&contract, &span));
        span.name = "GET /products/tea".to_owned();
        assert!(!is_edge_name(&contract, &span));
        span.name = "GET".to_owned();
        assert!(is_edge_name(&contract, &span), "no route matched");
    }

    #[test]
    fn a_query_span_is_named_after_operation_and_collection() {
        let mut span = span("a", None, "product", Kind::Client, "SELECT products");
        for (key, value) in [
            ("db.system.name", "sqlite"),
            ("db.operation.name", "SELECT"),
            ("db.collection.name", "products"),
        ] {
            span.attributes.insert(key.into(), value.into());
        }
        assert!(is_edge_name(&Contract::default(), &span));
        span.name = "SELECT * FROM products".to_owned();
        assert!(!is_edge_name(&Contract::default(), &span));
    }

    #[test]
    fn a_label_that_is_no_documented_attribute_is_found() {
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
