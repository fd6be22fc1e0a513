//! The rows that no shipped file makes: those of `checks/*.yaml`, and the comparisons in Rust.

use checks::{Checks, Stage};

use crate::claim::{Claim, Compared, Row, Signal};

/// The rows of `checks/*.yaml` at a stage.
pub fn rows(checks: &Checks, stage: Stage) -> Vec<Row> {
    let of_stage = checks.rows.iter().filter(|row| row.stage == stage);
    of_stage.map(Row::check).collect()
}

/// What the requests of the drive were answered.
pub fn answers(checks: &Checks) -> Vec<Row> {
    checks.requests().map(Row::check).collect()
}

/// Comparisons that are polled while telemetry arrives.
pub fn arriving() -> Vec<Row> {
    vec![compared(
        "exemplars of the span metrics lead to traces that exist",
        Compared::Exemplars,
    )]
}

/// Comparisons that are judged once the other rows are.
pub fn closing(services: &[String]) -> Vec<Row> {
    let rows = [
        (
            "both log lanes hold the same records with the same ids, none twice",
            Compared::LogPipelines,
        ),
        (
            "lines outside spans are in both lanes: each service's start",
            Compared::StartLines,
        ),
        (
            "Collector: spans accepted = spans sent to the trace store",
            Compared::Conserved(Signal::Spans),
        ),
        (
            "Collector: log records accepted = log records sent to Loki",
            Compared::Conserved(Signal::Logs),
        ),
        (
            "Collector: metric points accepted = metric points sent to Prometheus",
            Compared::Conserved(Signal::Metrics),
        ),
        (
            "Collector: nothing refused, failed or turned away from a queue",
            Compared::NothingRefused,
        ),
        (
            "every documented metric is emitted, with its unit and no other labels",
            Compared::DocumentedMetrics,
        ),
        (
            "every emitted metric is documented",
            Compared::NoUndocumentedMetric,
        ),
        (
            "documented spans = emitted spans",
            Compared::DocumentedSpans,
        ),
        (
            "documented log events = emitted log events",
            Compared::DocumentedEvents,
        ),
    ];
    let mut rows: Vec<Row> = rows
        .into_iter()
        .map(|(name, claim)| compared(name, claim))
        .collect();
    rows.extend(services.iter().map(|service| {
        let name = format!("{service} is connected to the Collector and its peers only (sockets)");
        compared(&name, Compared::Sockets(service.clone()))
    }));
    rows
}

/// The PromQL of all rows.
pub fn promql(checks: &Checks) -> impl Iterator<Item = &str> {
    checks.rows.iter().filter_map(|row| row.promql.as_deref())
}

fn compared(name: &str, claim: Compared) -> Row {
    Row {
        name: name.to_owned(),
        claim: Claim::Compared(claim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::lists;
    use contract::Registry;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_documented_name_has_a_row_or_a_reason_and_every_row_a_name_of_its_own() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let lists = lists(&root).unwrap();
        let checks = Checks::read(&root, &lists).unwrap();
        let contract = Registry::of(&root).unwrap();
        let documented: BTreeSet<&str> = contract
            .span_names()
            .union(&contract.event_names())
            .copied()
            .collect();
        let texts = format!("{:?} {:?}", checks.rows, checks.trees);
        let words: BTreeSet<&str> = texts
            .split(|c: char| !c.is_ascii_alphanumeric() && !"._".contains(c))
            .collect();
        for name in &documented {
            let is_excused = checks.unprovoked.contains_key(*name);
            assert!(
                words.contains(name) != is_excused,
                "{name} needs exactly one of a row and a reason"
            );
        }
        for name in checks.unprovoked.keys() {
            assert!(
                documented.contains(name.as_str()),
                "{name} is not documented"
            );
        }
        let mut names = BTreeSet::new();
        let all = checks.rows.iter().map(Row::check);
        for row in all.chain(arriving()).chain(closing(&lists.services)) {
            assert!(names.insert(row.name.clone()), "{}", row.name);
        }
    }

    /// A typo in a row that expects no series would never be seen.
    #[test]
    fn every_metric_of_a_row_is_documented_or_derived() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let checks = Checks::read(&root, &lists(&root).unwrap()).unwrap();
        let contract = Registry::of(&root).unwrap();
        let series: BTreeSet<String> = contract
            .metrics
            .iter()
            .flat_map(|metric| metric.series())
            .collect();
        let derived = [
            "traces_",
            "http_request_",
            "http_requests_",
            "otelcol_",
            "loki_",
        ];
        let is_metric = |word: &&str| {
            word.ends_with("_total") || word.ends_with("_count") || word.ends_with("_bucket")
        };
        for promql in promql(&checks) {
            let words = promql.split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
            for word in words
                .filter(is_metric)
                .filter(|word| !word.starts_with('_'))
            {
                let is_derived = derived.iter().any(|prefix| word.starts_with(prefix));
                assert!(is_derived || series.contains(word), "{word} in {promql}");
            }
        }
    }
}
