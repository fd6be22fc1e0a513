//! The log pipelines "file" and "otlp" have the same records: same time to the nanosecond, same ids, same content.

use std::collections::BTreeSet;
use std::time::UNIX_EPOCH;

use serde_json::Value as Json;
use telemetry_testing::{Log, Span, poll};

use crate::shop::{SERVICES, Shop};

#[tokio::test]
async fn each_record_of_an_order_is_in_both_pipelines_and_belongs_to_a_span_of_its_trace() {
    let shop = Shop::start();
    let product = shop.product().await;
    let placed = shop.order(&product.id, 1).await;
    let rejected = shop.order(&product.id, 0).await;
    let failed = shop.scenario("product-error").await;
    for reply in [&placed, &rejected, &failed] {
        let trace_id = reply.trace_id();
        let spans = shop.whole_trace(&trace_id);
        for record in same_in_both(&shop, |record| record["trace_id"] == trace_id) {
            let of_record = |span: &&Span| record["span_id"] == span.span_id;
            let span = spans.iter().find(of_record);
            let span = span.unwrap_or_else(|| panic!("no span of {record}"));
            assert_eq!(record["service"], span.service(), "{record}");
            let time = record["timestamp"].as_u64().unwrap();
            let is_within = (span.start..=span.end).contains(&time);
            assert!(is_within, "{record} is not within {span:?}");
        }
    }
    let placed = same_in_both(&shop, |record| record["event.name"] == "order.placed");
    let placed = placed
        .iter()
        .map(|record| (&record["service"], &record["level"]));
    assert_eq!(Vec::from_iter(placed), [(&"order".into(), &"INFO".into())]);
}

#[tokio::test]
async fn every_record_from_start_to_stop_is_in_both_pipelines() {
    let mut shop = Shop::start();
    let product = shop.product().await;
    shop.order(&product.id, 1).await;
    let ends = shop.stop();
    let lines = ends.iter().flat_map(|(_, exit)| &exit.log_lines);
    let files: Vec<_> = lines.filter_map(from_file).collect();
    let otlp: Vec<_> = shop.sink.logs().iter().filter_map(from_otlp).collect();
    assert_eq!(difference(&files, &otlp), "", "the pipelines differ");
    for service in SERVICES {
        let of_service = otlp.iter().filter(|record| record["service"] == service);
        let events: BTreeSet<_> = of_service
            .filter_map(|r| r["event.name"].as_str())
            .collect();
        for state in ["started", "listening", "stopping", "stopped"] {
            let event = format!("service.{state}");
            assert!(events.contains(&*event), "{service}: {events:?}");
        }
    }
}

/// Waits until both pipelines have the same `wanted` records, at least one.
fn same_in_both(shop: &Shop, wanted: impl Fn(&Json) -> bool) -> Vec<Json> {
    poll("the same records in both pipelines", || {
        let services = SERVICES.into_iter();
        let lines = services.flat_map(|name| shop.child(name).log_lines());
        let mut files: Vec<_> = lines.filter_map(|line| from_file(&line)).collect();
        let mut otlp: Vec<_> = shop.sink.logs().iter().filter_map(from_otlp).collect();
        files.retain(&wanted);
        otlp.retain(&wanted);
        match difference(&files, &otlp) {
            same if same.is_empty() && !files.is_empty() => Ok(files),
            differing => Err(differing),
        }
    })
}

/// What only one of the pipelines has, as text; empty if they agree.
fn difference(files: &[Json], otlp: &[Json]) -> String {
    let only = |here: &[Json], there: &[Json], pipeline: &str| {
        let missing = here.iter().filter(|record| !there.contains(record));
        let lines = missing.map(|record| format!("only in {pipeline}: {record}\n"));
        lines.collect::<String>()
    };
    match only(files, otlp, "files") + &only(otlp, files, "OTLP") {
        none if none.is_empty() && files.len() != otlp.len() => {
            format!("repeated: {} in files, {} in OTLP", files.len(), otlp.len())
        }
        differing => differing,
    }
}

fn from_file(line: &Json) -> Option<Json> {
    let mut record = line.clone();
    let time = record["timestamp"].as_str().and_then(nanoseconds);
    record["timestamp"] = time.unwrap_or_else(|| panic!("no time in {line}")).into();
    comparable(record)
}

fn from_otlp(log: &Log) -> Option<Json> {
    let mut record = serde_json::to_value(&log.attributes).unwrap();
    record["timestamp"] = log.time.into();
    record["service"] = log.service().into();
    record["level"] = log.severity.as_str().into();
    record["message"] = log.body.text().unwrap_or_default().into();
    for (key, text) in [
        ("event.name", log.event()),
        ("trace_id", log.trace_id.as_deref()),
        ("span_id", log.span_id.as_deref()),
    ] {
        if let Some(text) = text {
            record[key] = text.into();
        }
    }
    comparable(record)
}

/// The record without what the pipelines name differently; `None` for what stays in the file: telemetry about telemetry.
fn comparable(mut record: Json) -> Option<Json> {
    let fields = record.as_object_mut().unwrap();
    fields.retain(|key, _| !["target", "trace_flags"].contains(&key.as_str()));
    (record["event.name"] != "telemetry.diagnostic").then_some(record)
}

/// Nanoseconds since the epoch of an RFC 3339 time in UTC with nine digits, as log files have it.
fn nanoseconds(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let is_precise = text.split_once('.')?.1.len() == "123456789Z".len();
    is_precise.then(|| u64::try_from(since.as_nanos()).ok())?
}
