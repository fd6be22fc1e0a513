//! OTLP/JSON of others: both spellings, and records that cannot be read.

use serde_json::{Value as Json, json};
use telemetry_testing::{Kind, Span, Status, Value, json};

fn document(spans: Json) -> Json {
    json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "order"}}]},
        "scopeSpans": [{"scope": {"name": "otel-tower"}, "schemaUrl": "https://x/1.42.0", "spans": spans}]}]})
}

/// As the Collector's file exporter writes it.
fn archived() -> Json {
    json!({"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "parentSpanId": "",
        "name": "PlaceOrder", "kind": 2, "startTimeUnixNano": "1000", "endTimeUnixNano": "3000",
        "attributes": [{"key": "server.port", "value": {"intValue": "8083"}},
            {"key": "all", "value": {"arrayValue": {"values": [{"boolValue": true}, {"doubleValue": "NaN"}]}}},
            {"key": "raw", "value": {"bytesValue": "AQI="}}],
        "events": [{"name": "retry", "timeUnixNano": "2000"}],
        "links": [{"traceId": "ffffffffffffffffffffffffffffffff", "spanId": "b7ad6b7169203331"}],
        "status": {"code": 2, "message": "refused"}})
}

fn spans(document: &Json) -> Vec<Span> {
    json::spans(document).items
}

#[test]
fn archive_and_tempo_give_the_same_span() {
    let mut tempo = archived();
    tempo["traceId"] = json!("CvdlGRbNQ92ESOshHIAxnA==");
    tempo["spanId"] = json!("t61rcWkgMzE=");
    tempo["kind"] = json!("SPAN_KIND_SERVER");
    tempo["status"]["code"] = json!("STATUS_CODE_ERROR");
    tempo["links"][0]["traceId"] = json!("/////////////////////w==");
    tempo["links"][0]["spanId"] = json!("t61rcWkgMzE=");
    let old = json!({"batches": document(json!([tempo]))["resourceSpans"]});
    let now = json!({"trace": document(json!([tempo]))});

    let found = spans(&document(json!([archived()])));
    // `NaN` is unequal to itself.
    let shown = |spans: Vec<Span>| format!("{spans:?}");
    assert_eq!(shown(found.clone()), shown(spans(&now)));
    assert_eq!(shown(found.clone()), shown(spans(&old)));

    let span = &found[0];
    assert_eq!(span.title(), "SERVER PlaceOrder [order]");
    assert_eq!(span.parent_span_id, None);
    assert_eq!(span.status, Status::Error("refused".to_owned()));
    assert_eq!(span.attribute("server.port").as_deref(), Some("8083"));
    assert_eq!(span.attributes.get("raw"), Some(&Value::Bytes(vec![1, 2])));
    assert_eq!(
        (span.events[0].name.as_str(), span.events[0].time),
        ("retry", 2000)
    );
    assert_eq!(span.links[0].trace_id, "f".repeat(32));
    assert_eq!(span.scope.schema_url, "https://x/1.42.0");
    assert_eq!((span.start, span.end), (1000, 3000));
}

#[test]
fn a_span_that_cannot_be_read_is_counted_and_the_others_stay() {
    let mut nameless = archived();
    nameless["traceId"] = json!("no id");
    let mut strange = archived();
    strange["unknown"] = json!({"deep": [1, null]});
    strange["attributes"] = json!([{"key": "x", "value": {"newValue": 1}}, null, 7]);
    strange["kind"] = json!("SPAN_KIND_NEW");
    strange["status"] = json!(null);
    let decoded = json::spans(&document(json!([
        nameless,
        strange,
        null,
        "text",
        archived()
    ])));
    assert_eq!((decoded.items.len(), decoded.skipped), (2, 3));
    assert_eq!(decoded.items[0].kind, Kind::Unspecified);
    assert_eq!(decoded.items[0].attributes.get("x"), Some(&Value::Empty));
    for other in [json!({"trace": {}}), json!(null), json!([1])] {
        assert_eq!(json::spans(&other).items, [], "{other}");
    }
}

#[test]
fn a_log_record_keeps_event_severity_and_ids() {
    let records = json!([
        {"timeUnixNano": "7", "severityNumber": "SEVERITY_NUMBER_INFO", "severityText": "INFO", "eventName": "order.placed",
            "body": {"stringValue": "placed"}, "flags": 1,
            "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"},
        {"body": {"stringValue": "outside"}, "traceId": "", "spanId": ""},
        3]);
    let decoded = json::logs(&json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}));
    assert_eq!((decoded.items.len(), decoded.skipped), (2, 1));
    let log = &decoded.items[0];
    assert_eq!(
        (log.time, log.severity_number, log.flags, log.event()),
        (7, 9, 1, Some("order.placed"))
    );
    assert_eq!(log.span_id.as_deref(), Some("b7ad6b7169203331"));
    assert_eq!(decoded.items[1].trace_id, None);
}
