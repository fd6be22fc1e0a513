//! Reads OTLP/JSON spans: as the Collector's archive writes them and as Tempo answers them.
//!
//! The two differ in spelling only: Tempo writes ids in base64 and enums as words, the archive ids in hex and enums as numbers.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::trace::{Kind, Span, Status};

/// All spans in a document that has `resourceSpans` (or Tempo's older `batches`), at the top or under `trace`.
pub fn spans(document: &Value) -> Vec<Span> {
    let document = document.get("trace").unwrap_or(document);
    let mut found = Vec::new();
    for resource_spans in list(document, &["resourceSpans", "batches"]) {
        let resource = attributes(&resource_spans["resource"]);
        let service = resource
            .get("service.name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        for scope_spans in list(resource_spans, &["scopeSpans"]) {
            let scope = scope_spans["scope"]["name"].as_str().unwrap_or_default();
            for span in list(scope_spans, &["spans"]) {
                found.extend(read(span, service, scope));
            }
        }
    }
    found
}

fn read(span: &Value, service: &str, scope: &str) -> Option<Span> {
    let parent = id(&span["parentSpanId"]).filter(|id| id.bytes().any(|byte| byte != b'0'));
    Some(Span {
        trace_id: id(&span["traceId"])?,
        span_id: id(&span["spanId"])?,
        parent_id: parent,
        service: service.to_owned(),
        scope: scope.to_owned(),
        kind: kind(&span["kind"]),
        name: span["name"].as_str()?.to_owned(),
        start: nanoseconds(&span["startTimeUnixNano"]),
        end: nanoseconds(&span["endTimeUnixNano"]),
        status: status(&span["status"]["code"]),
        attributes: attributes(span),
        events: list(span, &["events"])
            .filter_map(|event| event["name"].as_str().map(str::to_owned))
            .collect(),
        links: list(span, &["links"])
            .filter_map(|link| id(&link["traceId"]))
            .collect(),
    })
}

fn list<'a>(value: &'a Value, names: &[&str]) -> impl Iterator<Item = &'a Value> {
    names
        .iter()
        .find_map(|name| value.get(name).and_then(Value::as_array))
        .into_iter()
        .flatten()
}

fn attributes(holder: &Value) -> BTreeMap<String, Value> {
    list(holder, &["attributes"])
        .filter_map(|pair| {
            let key = pair["key"].as_str()?;
            Some((key.to_owned(), any_value(&pair["value"])))
        })
        .collect()
}

/// `{"stringValue": "x"}` becomes `"x"`; integers arrive as text and become numbers.
fn any_value(value: &Value) -> Value {
    let Some((name, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return Value::Null;
    };
    match name.as_str() {
        "intValue" => inner
            .as_str()
            .and_then(|text| text.parse::<i64>().ok())
            .map_or_else(|| inner.clone(), Value::from),
        "arrayValue" => list(inner, &["values"]).map(any_value).collect(),
        _ => inner.clone(),
    }
}

fn nanoseconds(value: &Value) -> u64 {
    value
        .as_u64()
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap_or_default()
}

fn kind(value: &Value) -> Kind {
    match (value.as_u64(), value.as_str()) {
        (Some(2), _) | (_, Some("SPAN_KIND_SERVER")) => Kind::Server,
        (Some(3), _) | (_, Some("SPAN_KIND_CLIENT")) => Kind::Client,
        (Some(4), _) | (_, Some("SPAN_KIND_PRODUCER")) => Kind::Producer,
        (Some(5), _) | (_, Some("SPAN_KIND_CONSUMER")) => Kind::Consumer,
        _ => Kind::Internal,
    }
}

fn status(value: &Value) -> Status {
    match (value.as_u64(), value.as_str()) {
        (Some(1), _) | (_, Some("STATUS_CODE_OK")) => Status::Ok,
        (Some(2), _) | (_, Some("STATUS_CODE_ERROR")) => Status::Error,
        _ => Status::Unset,
    }
}

/// An id in lower-case hex, from hex or base64; `None` for an absent or empty one.
fn id(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.is_empty())?;
    let is_hex = matches!(text.len(), 16 | 32) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex {
        return Some(text.to_ascii_lowercase());
    }
    let bytes = base64(text)?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let six = ALPHABET.iter().position(|known| *known == letter)?;
        held = (held << 6) | u32::try_from(six).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn archived() -> Value {
        json!({"resourceSpans": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "order"}}]},
            "scopeSpans": [{"scope": {"name": "otel-tower"}, "spans": [{
                "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "parentSpanId": "",
                "name": "shop.order.v1.OrderService/PlaceOrder", "kind": 2,
                "startTimeUnixNano": "1000", "endTimeUnixNano": "3000",
                "attributes": [{"key": "server.port", "value": {"intValue": "8083"}}],
                "events": [{"name": "retry"}],
                "links": [{"traceId": "ffffffffffffffffffffffffffffffff", "spanId": "b7ad6b7169203331"}],
                "status": {"code": 2}}]}]}]})
    }

    #[test]
    fn the_archive_and_tempo_give_the_same_span() {
        let tempo = json!({"trace": {"resourceSpans": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "order"}}]},
            "scopeSpans": [{"scope": {"name": "otel-tower"}, "spans": [{
                "traceId": "CvdlGRbNQ92ESOshHIAxnA==", "spanId": "t61rcWkgMzE=",
                "name": "shop.order.v1.OrderService/PlaceOrder", "kind": "SPAN_KIND_SERVER",
                "startTimeUnixNano": "1000", "endTimeUnixNano": "3000",
                "attributes": [{"key": "server.port", "value": {"intValue": "8083"}}],
                "events": [{"name": "retry"}],
                "links": [{"traceId": "/////////////////////w==", "spanId": "t61rcWkgMzE="}],
                "status": {"code": "STATUS_CODE_ERROR"}}]}]}]}});
        assert_eq!(spans(&archived()), spans(&tempo));
    }

    #[test]
    fn a_span_keeps_its_service_kind_status_and_numbers() {
        let span = spans(&archived()).remove(0);
        assert_eq!(
            span.title(),
            "SERVER shop.order.v1.OrderService/PlaceOrder [order]"
        );
        assert_eq!(span.parent_id, None);
        assert_eq!(span.status, Status::Error);
        assert_eq!(span.attributes["server.port"], json!(8083));
        assert_eq!(span.links, ["ffffffffffffffffffffffffffffffff"]);
    }

    #[test]
    fn a_document_without_spans_is_empty_and_no_error() {
        assert_eq!(spans(&json!({"trace": {}})), []);
    }
}
