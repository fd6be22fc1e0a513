//! Both log lanes hold the same records: same time to the nanosecond, same ids, same content.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use telemetry_testing::{Log, Value, poll};

use crate::shop::{SERVICES, Shop};
use crate::trace::nanoseconds;

/// What both lanes must agree on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    time: u64,
    service: String,
    level: String,
    message: String,
    event: String,
    trace_id: Option<String>,
    span_id: Option<String>,
    /// Text of JSON, because JSON has no order.
    attributes: BTreeMap<String, String>,
}

#[tokio::test]
async fn each_record_of_an_order_is_in_both_lanes_and_belongs_to_a_span_of_its_trace() {
    let shop = Shop::start();
    let product = shop.product().await;
    let placed = shop.order(&product.id, 1).await;
    let refused = shop.order(&product.id, 0).await;
    let failed = shop.scenario("product-error").await;
    for reply in [&placed, &refused, &failed] {
        let trace_id = reply.trace_id();
        let spans = shop.whole_trace(&trace_id);
        let records = same_in_both(&shop, |record| record.trace_id.as_ref() == Some(&trace_id));
        assert!(!records.is_empty(), "no record in the trace of {reply:?}");
        for record in &records {
            let span = spans
                .iter()
                .find(|span| Some(&span.span_id) == record.span_id.as_ref());
            let span =
                span.unwrap_or_else(|| panic!("{record:?} names a span that is not in its trace"));
            assert_eq!(span.service(), record.service, "{record:?}");
            assert!(
                (span.start..=span.end).contains(&record.time),
                "{record:?} is not within its span"
            );
        }
    }
    let placed = same_in_both(&shop, |record| record.event == "order.placed");
    assert_eq!(placed.len(), 1, "{placed:?}");
    assert_eq!(
        (placed[0].service.as_str(), placed[0].level.as_str()),
        ("order", "INFO")
    );
}

#[tokio::test]
async fn every_record_of_a_run_from_start_to_stop_is_in_both_lanes() {
    let mut shop = Shop::start();
    let product = shop.product().await;
    shop.order(&product.id, 1).await;
    let ends = shop.stop();
    let files = ends
        .iter()
        .flat_map(|(_, exit)| &exit.log_lines)
        .map(from_file);
    let files = comparable(files.collect());
    let otlp = comparable(shop.sink.logs().iter().map(from_otlp).collect());
    assert_eq!(difference(&files, &otlp), "", "the lanes differ");
    for service in SERVICES {
        let of_service = otlp.iter().filter(|record| record.service == service);
        let events: BTreeSet<_> = of_service.map(|record| record.event.as_str()).collect();
        for event in [
            "service.started",
            "service.listening",
            "service.stopping",
            "service.stopped",
        ] {
            assert!(
                events.contains(event),
                "{service} never said {event}: {events:?}"
            );
        }
    }
}

/// Waits until both lanes hold the same of what is `wanted`.
fn same_in_both(shop: &Shop, wanted: impl Fn(&Record) -> bool) -> Vec<Record> {
    poll("the same records in both lanes", || {
        let lines = SERVICES
            .into_iter()
            .flat_map(|name| shop.child(name).log_lines());
        let mut files = comparable(lines.map(|line| from_file(&line)).collect());
        let mut otlp = comparable(shop.sink.logs().iter().map(from_otlp).collect());
        files.retain(&wanted);
        otlp.retain(&wanted);
        match difference(&files, &otlp) {
            same if same.is_empty() && !files.is_empty() => Ok(files),
            differing => Err(differing),
        }
    })
}

/// Sorted, without the records that stay in the file by design: telemetry about telemetry.
fn comparable(mut records: Vec<Record>) -> Vec<Record> {
    records.retain(|record| record.event != "telemetry.diagnostic");
    records.sort();
    records
}

fn difference(files: &[Record], otlp: &[Record]) -> String {
    let only = |here: &[Record], there: &[Record], lane: &str| {
        let missing = here.iter().filter(|record| !there.contains(record));
        missing
            .map(|record| format!("only in {lane}: {record:?}\n"))
            .collect::<String>()
    };
    let differing = only(files, otlp, "files") + &only(otlp, files, "OTLP");
    if differing.is_empty() && files.len() != otlp.len() {
        return format!(
            "{} in files, {} in OTLP: one is doubled",
            files.len(),
            otlp.len()
        );
    }
    differing
}

fn from_file(line: &Json) -> Record {
    let text = |key: &str| line.get(key).and_then(Json::as_str).map(str::to_owned);
    let own = [
        "timestamp",
        "level",
        "message",
        "service",
        "target",
        "trace_id",
        "span_id",
        "trace_flags",
        "event.name",
    ];
    let attributes = line.as_object().unwrap().iter();
    let attributes = attributes.filter(|(key, _)| !own.contains(&key.as_str()));
    Record {
        time: text("timestamp")
            .and_then(|time| nanoseconds(&time))
            .unwrap_or_else(|| panic!("no time in {line}")),
        service: text("service").unwrap(),
        level: text("level").unwrap(),
        message: text("message").unwrap(),
        event: text("event.name").unwrap_or_default(),
        trace_id: text("trace_id"),
        span_id: text("span_id"),
        attributes: attributes
            .map(|(key, value)| (key.clone(), value.to_string()))
            .collect(),
    }
}

fn from_otlp(log: &Log) -> Record {
    let attributes = log.attributes.0.iter();
    let attributes =
        attributes.filter(|(key, _)| !["event.name", "target"].contains(&key.as_str()));
    Record {
        time: log.time,
        service: log.service().to_owned(),
        level: log.severity.clone(),
        message: log.body.text().unwrap_or_default().to_owned(),
        event: log.event().unwrap_or_default().to_owned(),
        trace_id: log.trace_id.clone(),
        span_id: log.span_id.clone(),
        attributes: attributes
            .map(|(key, value)| (key.clone(), to_json(value).to_string()))
            .collect(),
    }
}

fn to_json(value: &Value) -> Json {
    match value {
        Value::Empty => Json::Null,
        Value::String(text) => json!(text),
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Double(number) => json!(number),
        Value::Bytes(bytes) => json!(bytes),
        Value::Array(values) => values.iter().map(to_json).collect(),
        Value::Map(map) => map
            .0
            .iter()
            .map(|(key, value)| (key.clone(), to_json(value)))
            .collect(),
    }
}
