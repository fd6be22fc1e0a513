//! Rows against backends that are broken on purpose: each must be judged not to hold, and say what is wrong.
//!
//! The backends are documents behind a port. `verify selftest` does the same to a real stack.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod fake;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use verify::backend::Sample;
use verify::claim::{Amount, Claim, Lines, Row, Series, Whole};
use verify::poll::Look;

use fake::Fake;

const PLACED: &str = r#"shop_orders_total{shop_order_outcome="placed"}"#;

async fn look(fake: &Fake, claim: Claim) -> Look {
    let row = Row {
        name: "row".to_owned(),
        claim,
    };
    fake.scene().look(&row).await
}

fn vector(value: &str) -> Value {
    json!({"data": {"resultType": "vector", "result": [{"metric": {"instance": "a"}, "value": [0, value]}]}})
}

fn says(look: &Look, word: &str) {
    match look {
        Look::NotYet(state) | Look::Broken(state) => {
            assert!(state.contains(word), "{state:?} without {word:?}")
        }
        Look::Holds(_) | Look::Missing(_) => panic!("{look:?} instead of a failure with {word:?}"),
    }
}

fn rises(by: f64) -> Claim {
    Claim::Rises {
        promql: PLACED.to_owned(),
        by: Amount::Exactly(by),
    }
}

#[tokio::test]
async fn a_counter_that_moved_by_another_number_fails() {
    for (now, word) in [
        ("3", "moved by 1 instead of 2"),
        ("5", "moved by 3 instead of 2"),
    ] {
        let mut fake = Fake::answering("/api/v1/query", vector(now));
        fake.baseline(
            PLACED,
            Sample {
                labels: BTreeMap::from([("instance".into(), "a".into())]),
                value: 2.0,
            },
        );
        says(&look(&fake, rises(2.0)).await, word);
    }
}

#[tokio::test]
async fn a_counter_without_a_baseline_fails_whatever_it_shows() {
    let fake = Fake::answering("/api/v1/query", vector("2"));
    says(&look(&fake, rises(2.0)).await, "no baseline");
}

#[tokio::test]
async fn a_sample_of_an_earlier_run_is_not_fresh() {
    let claim = || Claim::Series {
        promql: "process_uptime_seconds".to_owned(),
        holds: Series::Fresh,
    };
    let fake = Fake::answering("/api/v1/query", vector("100"));
    says(&look(&fake, claim()).await, "older than the drive");
    let after = SystemTime::now() + Duration::from_secs(60);
    let seconds = after
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let fake = Fake::answering("/api/v1/query", vector(&seconds.to_string()));
    assert!(matches!(look(&fake, claim()).await, Look::Holds(_)));
}

#[tokio::test]
async fn a_backend_that_is_gone_is_named_by_its_address() {
    let mut fake = Fake::answering("/nothing", Value::Null);
    fake.stop();
    let claim = Claim::Lines {
        logql: r#"{lane="otlp"}"#.to_owned(),
        holds: Lines::AtLeast(1),
    };
    says(
        &look(&fake, claim).await,
        &format!("{} does not answer: Connection refused", fake.address()),
    );
}

#[tokio::test]
async fn a_lane_without_lines_fails_where_lines_are_expected_and_only_there() {
    let fake = Fake::answering("/loki/api/v1/query_range", json!({"data": {"result": []}}));
    let claim = |holds| Claim::Lines {
        logql: r#"{lane="otlp"}"#.to_owned(),
        holds,
    };
    says(&look(&fake, claim(Lines::AtLeast(1))).await, "0 lines");
    assert!(matches!(
        look(&fake, claim(Lines::None)).await,
        Look::Holds(_)
    ));
}

#[tokio::test]
async fn an_id_that_became_a_label_fails() {
    let labels = json!({"data": ["job", "lane", "level", "service_name", "component", "trace_id"]});
    let fake = Fake::answering("/loki/api/v1/labels", labels);
    says(
        &look(&fake, Claim::Whole(Whole::IdsAreNoLabels)).await,
        "trace_id is a label",
    );
}

#[tokio::test]
async fn a_target_that_is_down_fails_with_its_reason() {
    let target = json!({"labels": {"job": "loki"}, "scrapeUrl": "http://x/metrics", "health": "down", "lastError": "refused"});
    let fake = Fake::answering(
        "/api/v1/targets",
        json!({"data": {"activeTargets": [target]}}),
    );
    says(
        &look(&fake, Claim::Whole(Whole::TargetsUp)).await,
        "loki (http://x/metrics) is down: refused",
    );
}

#[tokio::test]
async fn a_component_that_nobody_scrapes_is_missed() {
    let target =
        json!({"labels": {"job": "loki"}, "scrapeUrl": "", "health": "up", "lastError": ""});
    let fake = Fake::answering(
        "/api/v1/targets",
        json!({"data": {"activeTargets": [target]}}),
    );
    let claim = Claim::Whole(Whole::TargetsUp);
    says(
        &look(&fake, claim).await,
        "otel-collector is not among the targets",
    );
}

#[tokio::test]
async fn an_exemplar_of_another_run_fails() {
    let exemplars =
        json!({"data": [{"seriesLabels": {}, "exemplars": [{"labels": {"trace_id": "ab"}}]}]});
    let fake = Fake::answering("/api/v1/query_exemplars", exemplars);
    says(
        &look(&fake, Claim::Whole(Whole::Exemplars)).await,
        "1 exemplars, none of this drive",
    );
}

#[tokio::test]
async fn a_metric_nobody_documented_fails_by_its_name() {
    let series = |name| json!({"metric": {"__name__": name}, "value": [0, "1"]});
    let result = [series("target_info"), series("shop_ordres_total")];
    let answer = json!({"data": {"resultType": "vector", "result": result}});
    let fake = Fake::answering("/api/v1/query", answer);
    says(
        &look(&fake, Claim::Whole(Whole::NoUndocumentedMetric)).await,
        "not documented: shop_ordres_total",
    );
}

#[tokio::test]
async fn spans_that_came_in_and_did_not_go_out_are_counted() {
    let metrics = |sent: u32| {
        Value::String(format!(
            "otelcol_receiver_accepted_spans{{receiver=\"otlp\"}} 50\notelcol_exporter_sent_spans{{exporter=\"otlp_http/tempo\"}} {sent}\n"
        ))
    };
    let claim = || Claim::Whole(Whole::Conserved(verify::claim::Signal::Spans));
    let mut fake = Fake::answering("/metrics", metrics(47));
    fake.gap("otelcol_receiver_accepted_spans", 0.0);
    says(&look(&fake, claim()).await, "3 of 50 accepted are not sent");
    let mut fake = Fake::answering("/metrics", metrics(50));
    fake.gap("otelcol_receiver_accepted_spans", 0.0);
    assert!(matches!(look(&fake, claim()).await, Look::Holds(_)));
}
