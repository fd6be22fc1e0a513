//! OTLP/JSON as others write it: the Collector's file exporter (ids in hex, enums as numbers) and Tempo (ids in base64, enums
//! as names).
//!
//! The feature `with-serde` of `opentelemetry-proto` reads only the first of the two, and a whole document or nothing (and brings
//! five crates). Here each item is read by itself: one that cannot be read is counted, and the others are kept.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use serde_json::Value as Json;

use super::value::hex;
use super::{Attributes, Event, Kind, Link, Log, Scope, Span, Status, Value};

/// What could be read of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<T> {
    pub items: Vec<T>,
    /// How many more items could not be read.
    pub skipped: usize,
}

/// The spans of a document with `resourceSpans` (or Tempo's older `batches`), at the top or under `trace`.
pub fn spans(document: &Json) -> Decoded<Span> {
    decode(document, ["resourceSpans", "scopeSpans", "spans"], span)
}

/// The records of a document with `resourceLogs`.
pub fn logs(document: &Json) -> Decoded<Log> {
    decode(document, ["resourceLogs", "scopeLogs", "logRecords"], log)
}

fn decode<T>(
    document: &Json,
    [batches, groups, items]: [&str; 3],
    read: fn(&Json, Attributes, Scope) -> Option<T>,
) -> Decoded<T> {
    let document = document.get("trace").unwrap_or(document);
    let mut decoded = Decoded {
        items: Vec::new(),
        skipped: 0,
    };
    for batch in list(document, batches).chain(list(document, "batches")) {
        let resource = attributes(&batch["resource"]);
        for group in list(batch, groups) {
            let scope = Scope {
                name: text(&group["scope"]["name"]),
                version: text(&group["scope"]["version"]),
                schema_url: text(&group["schemaUrl"]),
            };
            for item in list(group, items) {
                match read(item, resource.clone(), scope.clone()) {
                    Some(item) => decoded.items.push(item),
                    None => decoded.skipped += 1,
                }
            }
        }
    }
    decoded
}

fn span(json: &Json, resource: Attributes, scope: Scope) -> Option<Span> {
    let event = |event: &Json| Event {
        name: text(&event["name"]),
        time: number(&event["timeUnixNano"]).unwrap_or_default(),
        attributes: attributes(event),
    };
    let link = |link: &Json| {
        Some(Link {
            trace_id: id(&link["traceId"])?,
            span_id: id(&link["spanId"])?,
            attributes: attributes(link),
        })
    };
    let code = json["status"].get("code").unwrap_or(&Json::Null);
    Some(Span {
        trace_id: id(&json["traceId"])?,
        span_id: id(&json["spanId"])?,
        parent_span_id: id(&json["parentSpanId"]),
        name: text(&json["name"]),
        kind: match (number::<u64>(&json["kind"]), json["kind"].as_str()) {
            (Some(1), _) | (_, Some("SPAN_KIND_INTERNAL")) => Kind::Internal,
            (Some(2), _) | (_, Some("SPAN_KIND_SERVER")) => Kind::Server,
            (Some(3), _) | (_, Some("SPAN_KIND_CLIENT")) => Kind::Client,
            (Some(4), _) | (_, Some("SPAN_KIND_PRODUCER")) => Kind::Producer,
            (Some(5), _) | (_, Some("SPAN_KIND_CONSUMER")) => Kind::Consumer,
            _ => Kind::Unspecified,
        },
        status: match (number::<u64>(code), code.as_str()) {
            (Some(1), _) | (_, Some("STATUS_CODE_OK")) => Status::Ok,
            (Some(2), _) | (_, Some("STATUS_CODE_ERROR")) => {
                Status::Error(text(&json["status"]["message"]))
            }
            _ => Status::Unset,
        },
        attributes: attributes(json),
        events: list(json, "events").map(event).collect(),
        links: list(json, "links").filter_map(link).collect(),
        resource,
        scope,
        start: number(&json["startTimeUnixNano"]).unwrap_or_default(),
        end: number(&json["endTimeUnixNano"]).unwrap_or_default(),
    })
}

fn log(json: &Json, resource: Attributes, scope: Scope) -> Option<Log> {
    let named = |name| SeverityNumber::from_str_name(name).map(i32::from);
    let severity = &json["severityNumber"];
    json.is_object().then(|| Log {
        time: number(&json["timeUnixNano"]).unwrap_or_default(),
        observed: number(&json["observedTimeUnixNano"]).unwrap_or_default(),
        severity: text(&json["severityText"]),
        severity_number: number(severity)
            .or_else(|| named(severity.as_str()?))
            .unwrap_or_default(),
        event_name: text(&json["eventName"]),
        body: value(&json["body"]),
        attributes: attributes(json),
        trace_id: id(&json["traceId"]),
        span_id: id(&json["spanId"]),
        flags: number(&json["flags"]).unwrap_or_default(),
        resource,
        scope,
    })
}

fn list<'a>(of: &'a Json, name: &str) -> impl Iterator<Item = &'a Json> {
    of[name].as_array().into_iter().flatten()
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

/// A number, or a string with one: 64-bit integers are strings in OTLP/JSON.
fn number<N: std::str::FromStr>(json: &Json) -> Option<N> {
    match json {
        Json::String(text) => text.parse().ok(),
        Json::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

fn attributes(of: &Json) -> Attributes {
    pairs(of, "attributes")
}

fn pairs(of: &Json, name: &str) -> Attributes {
    let pair = |pair: &Json| (text(&pair["key"]), value(&pair["value"]));
    Attributes(list(of, name).map(pair).collect())
}

/// `{"stringValue": "x"}`. The recursion is bounded by the parser, which refuses more than 128 levels.
fn value(json: &Json) -> Value {
    let found = json.as_object().and_then(|object| {
        object.iter().find_map(|(name, inner)| {
            Some(match name.as_str() {
                "stringValue" => Value::String(text(inner)),
                "boolValue" => Value::Bool(inner.as_bool()?),
                "intValue" => Value::Int(number(inner)?),
                // `"NaN"` and `"Infinity"` are strings, too.
                "doubleValue" => Value::Double(number(inner)?),
                "bytesValue" => Value::Bytes(STANDARD.decode(inner.as_str()?).ok()?),
                "arrayValue" => Value::Array(list(inner, "values").map(value).collect()),
                "kvlistValue" => Value::Map(pairs(inner, "values")),
                _ => return None,
            })
        })
    });
    found.unwrap_or(Value::Empty)
}

/// An id in lower-case hex, from hex or base64; `None` for an absent one, and for one of zeros.
fn id(json: &Json) -> Option<String> {
    let text = json.as_str()?;
    let is_hex = matches!(text.len(), 16 | 32) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let id = match is_hex {
        true => text.to_ascii_lowercase(),
        false => hex(&STANDARD.decode(text).ok()?),
    };
    id.bytes().any(|digit| digit != b'0').then_some(id)
}
