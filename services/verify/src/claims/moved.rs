//! The rows of a panel that belong to this run. A shop in use also has series of earlier requests, whose traces are older
//! than the run.

use std::collections::BTreeSet;

use regex::Regex;

use super::dashboard::{Dashboard, Panel};
use super::names::PromQl;
use super::template::{Value, Values};
use super::{Language, Verdict, query};
use crate::check::Scene;

/// The endings of the series that only grow.
const COUNTERS: [&str; 4] = ["_total", "_count", "_sum", "_bucket"];

/// The rows from which a link takes its values. A link that opens a query takes them from series that have grown since the
/// drive began.
pub(super) async fn rows(
    scene: &Scene,
    dashboard: &Dashboard,
    panel: &Panel,
    template: &str,
    values: &Values,
) -> Verdict<Vec<Values>> {
    let labels = if template.starts_with("/explore") {
        labels(template)?
    } else {
        Vec::new()
    };
    let mut rows = Vec::new();
    for target in &panel.targets {
        let found = query::run_query(scene, target, dashboard.range, values).await?;
        let asked = query::asked(scene, target, dashboard.range, values)?;
        let grown = match asked.language {
            Language::PromQl if !labels.is_empty() => grown(scene, &asked.text, &labels).await?,
            _ => None,
        };
        let is_of_run = |row: &Values| match &grown {
            Some(grown) => grown.contains(&field_values(row, &labels)),
            None => true,
        };
        rows.extend(found.rows.into_iter().filter(is_of_run));
    }
    Ok(rows)
}

/// The labels that a link takes from a row.
fn labels(template: &str) -> Verdict<Vec<String>> {
    let name = Regex::new(r"\$\{__(?:field\.labels|data\.fields)\.(\w+)\}")?;
    let names = name
        .captures_iter(template)
        .map(|found| found[1].to_owned());
    Ok(names.collect())
}

fn field_values(row: &Values, labels: &[String]) -> Vec<String> {
    let value = |label: &String| match row.get(&format!("__field.labels.{label}")) {
        Some(Value::One(value)) => value.clone(),
        _ => String::new(),
    };
    labels.iter().map(value).collect()
}

/// The values of `labels` in the counters of a query that have grown since the drive began; `None` without a counter.
async fn grown(
    scene: &Scene,
    promql: &str,
    labels: &[String],
) -> Verdict<Option<BTreeSet<Vec<String>>>> {
    let names = PromQl::of(&scene.prometheus.parse(promql).await?);
    let age = scene.driven.started.elapsed().unwrap_or_default().as_secs() + 1;
    let mut grown = None;
    let is_counter = |metric: &str| COUNTERS.iter().any(|ending| metric.ends_with(ending));
    for selector in names.selectors.iter().filter(|one| is_counter(&one.metric)) {
        let samples = scene
            .prometheus
            .query(&growth(&selector.text(), age, labels))
            .await?;
        let values = samples.into_iter().map(|mut sample| {
            let value = |label| sample.labels.remove(label).unwrap_or_default();
            labels.iter().map(value).collect()
        });
        grown.get_or_insert_with(BTreeSet::new).extend(values);
    }
    Ok(grown)
}

/// The series of a selector that have grown within `age` seconds, or are new.
fn growth(selector: &str, age: u64, labels: &[String]) -> String {
    let before = format!("{selector} offset {age}s");
    let labels = labels.join(", ");
    format!("count by ({labels}) ({selector} - {before} > 0 or {selector} unless {before})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_asked_by_the_labels_that_the_link_takes() {
        let labels = labels("/explore?a=${__field.labels.span_name}&b=$service").unwrap();
        assert_eq!(labels, ["span_name"]);
        assert_eq!(
            growth("a_total{b=\"c\"}", 7, &labels),
            "count by (span_name) (a_total{b=\"c\"} - a_total{b=\"c\"} offset 7s > 0 or a_total{b=\"c\"} unless a_total{b=\"c\"} offset 7s)"
        );
        let row = Values::from([("__field.labels.span_name".to_owned(), Value::one("GET /"))]);
        assert_eq!(field_values(&row, &labels), ["GET /"]);
    }
}
