//! Rows against backends that answer wrongly: each must fail, and its message must name what is wrong.
//!
//! The backends are documents behind a port. The breaks do the same to a real stack.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod fake;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use verify::backend::Sample;
use verify::claim::{Claim, Compared, Row, Signal};
use verify::poll::Look;

use fake::Fake;

const PLACED: &str = "shop_orders_total";

/// A row as it is written in `checks/*.yaml`.
fn check(yaml: &str) -> Row {
    Row::check(&yaml_serde::from_str(yaml).unwrap())
}

fn compared(compared: Compared) -> Row {
    Row {
        name: "row".to_owned(),
        claim: Claim::Compared(compared),
    }
}

fn vector(value: &str) -> Value {
    json!({"data": {"resultType": "vector", "result": [{"metric": {"instance": "a"}, "value": [0, value]}]}})
}

/// `word` is part of the message of a failure; empty if the row must hold.
fn expect(look: &Look, word: &str) {
    match look {
        Look::NotYet(state) | Look::Broken(state) => {
            assert!(
                !word.is_empty() && state.contains(word),
                "{state:?} without {word:?}"
            );
        }
        Look::Holds(_) => assert_eq!(word, "", "{look:?}"),
        Look::Missing(_) => panic!("{look:?}"),
    }
}

#[tokio::test]
async fn numbers_are_compared_with_their_verdict() {
    let cases = [
        ("3", "moves_by: 2", "moved by 1 instead of 2"),
        ("5", "moves_by: 2", "moved by 3 instead of 2"),
        ("4", "moves_by: 2", ""),
        ("2", "moves_by: 0", "moved by 0"),
        ("3", "moves_by: {at_least: 2}", "moved by 1 instead of 2"),
        ("9", "moves_by: {at_least: 2}", ""),
        ("1", "absent: true", "1 of"),
        ("0", "absent: true", ""),
        ("2", "exactly: 1", "2 of"),
        ("41", "at_most: 40", "41.0, at most 40"),
        ("40", "at_most: 40", ""),
        ("100", "at_least: 1", "older than the drive"),
        ("99999999999", "at_least: 1", ""),
        (
            "99999999999",
            "at_least: 2",
            "1 series instead of at least 2",
        ),
    ];
    let row = |verdict: &str| check(&format!("{{name: row, promql: {PLACED}, {verdict}}}"));
    for (now, verdict, word) in cases {
        let mut fake = Fake::answering("/api/v1/query", vector(now));
        let labels = BTreeMap::from([("instance".into(), "a".into())]);
        fake.baseline(PLACED, Sample { labels, value: 2.0 });
        expect(&fake.scene().look(&row(verdict)).await, word);
    }
    let fake = Fake::answering("/api/v1/query", vector("2"));
    expect(&fake.scene().look(&row("moves_by: 2")).await, "no baseline");
    let none = json!({"data": {"resultType": "vector", "result": []}});
    let fake = Fake::answering("/api/v1/query", none);
    expect(&fake.scene().look(&row("at_most: 1")).await, "no series");
}

#[tokio::test]
async fn lines_and_answers_are_compared_with_their_verdict() {
    let row = |verdict: &str| {
        check(&format!(
            "{{name: row, logql: '{{lane=\"otlp\"}}', {verdict}}}"
        ))
    };
    let mut fake = Fake::answering("/loki/api/v1/query_range", json!({"data": {"result": []}}));
    expect(&fake.scene().look(&row("at_least: 1")).await, "0 lines");
    expect(&fake.scene().look(&row("absent: true")).await, "");
    let scene = fake.scene();
    fake.stop();
    let refused = format!("{} does not answer: Connection refused", fake.address());
    expect(&scene.look(&row("absent: true")).await, &refused);

    let labels = json!({"data": ["job", "trace_id"]});
    let fake = Fake::answering("/loki/api/v1/labels", labels);
    for (path, texts, word) in [
        ("labels", "has: job, absent: span_id", ""),
        ("labels", "has: [job, lane]", "no lane in"),
        ("labels", "absent: trace_id", "trace_id in"),
        ("streams", "has: job", "answered 404 instead of 200"),
    ] {
        let url = format!("{}/loki/api/v1/{path}", fake.address());
        let row = check(&format!(
            "{{name: row, http: GET {url}, status: 200, {texts}}}"
        ));
        expect(&fake.scene().look(&row).await, word);
    }
}

#[tokio::test]
async fn a_row_is_skipped_by_the_name_of_what_it_needs() {
    let fake = Fake::answering("/nothing", Value::Null);
    let scene = fake.scene();
    for (row, missing) in [
        (compared(Compared::LogPipelines), "no promtail"),
        (
            compared(Compared::Sockets("order".to_owned())),
            "no processes",
        ),
    ] {
        assert_eq!(scene.look(&row).await, Look::Missing(missing.to_owned()));
    }
}

#[tokio::test]
async fn comparisons_name_what_differs() {
    let exemplars =
        json!({"data": [{"seriesLabels": {}, "exemplars": [{"labels": {"trace_id": "ab"}}]}]});
    let series = |name| json!({"metric": {"__name__": name}, "value": [0, "1"]});
    let result = [series("target_info"), series("shop_ordres_total")];
    let metrics = json!({"data": {"resultType": "vector", "result": result}});
    let sent = |sent: u32| {
        Value::String(format!(
            "otelcol_receiver_accepted_spans{{receiver=\"otlp\"}} 50\notelcol_exporter_sent_spans{{exporter=\"otlp_http/tempo\"}} {sent}\n"
        ))
    };
    let spans = || Compared::Conserved(Signal::Spans);
    for (path, document, claim, word) in [
        (
            "/api/v1/query_exemplars",
            exemplars,
            Compared::Exemplars,
            "1 exemplars, none of this drive",
        ),
        (
            "/api/v1/query",
            metrics,
            Compared::NoUndocumentedMetric,
            "not documented: shop_ordres_total",
        ),
        (
            "/metrics",
            sent(47),
            spans(),
            "3 of 50 accepted are not sent",
        ),
        ("/metrics", sent(50), spans(), ""),
    ] {
        let mut fake = Fake::answering(path, document);
        fake.gap("otelcol_receiver_accepted_spans", 0.0);
        expect(&fake.scene().look(&compared(claim)).await, word);
    }
}
