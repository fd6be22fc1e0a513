//! The log pipelines "file" and "otlp" hold the same records: same time to the nanosecond, same ids, same content.

use std::collections::{BTreeMap, BTreeSet};
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value as Json};
use telemetry_testing::{Log, Span, poll};

use crate::shop::{SERVICES, Shop};

/// What both pipelines must agree on.
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
async fn each_record_of_an_order_is_in_both_pipelines_and_belongs_to_a_span_of_its_trace() {
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
            let of_record = |span: &&Span| Some(&span.span_id) == record.span_id.as_ref();
            let span = spans.iter().find(of_record);
            let span = span.unwrap_or_else(|| panic!("no span of {record:?}"));
            assert_eq!(span.service(), record.service, "{record:?}");
            let is_within = (span.start..=span.end).contains(&record.time);
            assert!(is_within, "{record:?} is not within {span:?}");
        }
    }
    let placed = same_in_both(&shop, |record| record.event == "order.placed");
    let placed = placed
        .iter()
        .map(|r| (r.service.as_str(), r.level.as_str()));
    assert_eq!(Vec::from_iter(placed), [("order", "INFO")]);
}

#[tokio::test]
async fn every_record_from_start_to_stop_is_in_both_pipelines() {
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
    assert_eq!(difference(&files, &otlp), "", "the pipelines differ");
    for service in SERVICES {
        let of_service = otlp.iter().filter(|record| record.service == service);
        let events: BTreeSet<_> = of_service.map(|record| record.event.as_str()).collect();
        for state in ["started", "listening", "stopping", "stopped"] {
            let event = format!("service.{state}");
            assert!(events.contains(&*event), "{service}: {events:?}");
        }
    }
}

/// Waits until both pipelines hold the same of what is `wanted`.
fn same_in_both(shop: &Shop, wanted: impl Fn(&Record) -> bool) -> Vec<Record> {
    poll("the same records in both pipelines", || {
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

/// What only one of the pipelines has, as text; empty if they agree.
fn difference(files: &[Record], otlp: &[Record]) -> String {
    let only = |here: &[Record], there: &[Record], lane: &str| {
        let missing = here.iter().filter(|record| !there.contains(record));
        let lines = missing.map(|record| format!("only in {lane}: {record:?}\n"));
        lines.collect::<String>()
    };
    match only(files, otlp, "files") + &only(otlp, files, "OTLP") {
        none if none.is_empty() && files.len() != otlp.len() => {
            format!("repeated: {} in files, {} in OTLP", files.len(), otlp.len())
        }
        differing => differing,
    }
}

fn from_file(line: &Json) -> Record {
    let mut rest = line.as_object().unwrap().clone();
    rest.retain(|key, _| !["target", "trace_flags"].contains(&key.as_str()));
    let mut take = |key: &str| match rest.remove(key) {
        Some(Json::String(text)) => Some(text),
        _ => None,
    };
    Record {
        time: take("timestamp")
            .and_then(|time| nanoseconds(&time))
            .unwrap(),
        service: take("service").unwrap(),
        level: take("level").unwrap(),
        message: take("message").unwrap(),
        event: take("event.name").unwrap_or_default(),
        trace_id: take("trace_id"),
        span_id: take("span_id"),
        attributes: texts(rest),
    }
}

fn from_otlp(log: &Log) -> Record {
    let Ok(Json::Object(mut attributes)) = serde_json::to_value(&log.attributes) else {
        panic!("{log:?} has attributes that are no object");
    };
    attributes.retain(|key, _| !["event.name", "target"].contains(&key.as_str()));
    Record {
        time: log.time,
        service: log.service().to_owned(),
        level: log.severity.clone(),
        message: log.body.text().unwrap_or_default().to_owned(),
        event: log.event().unwrap_or_default().to_owned(),
        trace_id: log.trace_id.clone(),
        span_id: log.span_id.clone(),
        attributes: texts(attributes),
    }
}

fn texts(attributes: Map<String, Json>) -> BTreeMap<String, String> {
    let texts = attributes.into_iter();
    texts.map(|(key, value)| (key, value.to_string())).collect()
}

/// Nanoseconds since the epoch of an RFC 3339 time in UTC with nine digits, as log files have it.
fn nanoseconds(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    let is_precise = text.split_once('.')?.1.len() == "123456789Z".len();
    is_precise.then(|| u64::try_from(since.as_nanos()).ok())?
}
