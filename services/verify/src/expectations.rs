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
