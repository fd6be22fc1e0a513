//! The table against the contract.

use super::*;
use contract::Registry;
use std::collections::BTreeSet;
use std::time::SystemTime;

fn contract() -> Registry {
    Registry::shipped().unwrap()
}

fn all() -> Vec<Row> {
    let mut rows = gates();
    rows.extend(counters());
    rows.extend(arrivals(&Driven::nothing(SystemTime::now())));
    rows.extend(closings());
    rows
}

/// Made by the Collector, by Prometheus or by its recording rules.
fn is_derived(metric: &str) -> bool {
    let prefixes = ["traces_", "http_request_", "http_requests_"];
    metric == "up" || prefixes.iter().any(|prefix| metric.starts_with(prefix))
}

#[test]
fn every_metric_a_row_asks_for_is_documented() {
    let contract = contract();
    let series = contract.metrics.iter().flat_map(|metric| metric.series());
    let documented: BTreeSet<String> = series.collect();
    for row in all() {
        if let Claim::Rises { promql, .. } | Claim::Series { promql, .. } = &row.claim {
            let metric = promql
                .split(|c: char| c != '_' && !c.is_ascii_alphanumeric())
                .next()
                .unwrap();
            let is_aggregated = ["sum", "count", "max", ""].contains(&metric);
            assert!(
                is_aggregated || is_derived(metric) || documented.contains(metric),
                "{promql}"
            );
        }
    }
}

#[test]
fn every_name_of_a_row_and_every_exception_is_in_the_contract() {
    let contract = contract();
    for (_, span, _) in BUSINESS {
        assert!(contract.span_names().contains(span), "{span}");
    }
    for (_, _, _, event) in TOLD {
        assert!(contract.event_names().contains(event), "{event}");
    }
    for (name, _) in UNPROVOKED {
        assert!(
            contract.span_names().contains(name) || contract.event_names().contains(name),
            "{name}"
        );
    }
}

#[test]
fn every_documented_name_has_a_row_or_a_reason() {
    let contract = contract();
    for name in contract.span_names().union(&contract.event_names()) {
        let is_asked = BUSINESS.iter().any(|(_, span, _)| span == name)
            || TOLD.iter().any(|told| told.3 == *name);
        let is_excused = UNPROVOKED.iter().any(|(unprovoked, _)| unprovoked == name);
        assert!(
            is_asked != is_excused,
            "{name} needs exactly one of a row and a reason"
        );
    }
}

#[test]
fn no_two_rows_have_one_name() {
    let mut names = BTreeSet::new();
    for row in all() {
        assert!(names.insert(row.name.clone()), "{}", row.name);
    }
}
