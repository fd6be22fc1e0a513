//! Spans as they arrived.

use std::fmt;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1 as wire;
use serde::Serialize;

use super::value::{self, Attributes, Scope, Value};
use crate::terminal::escape;

/// One exported span. Ids are lower-case hex, times are nanoseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Span {
    pub trace_id: String,
    pub span_id: String,
    /// `None` for a root.
    pub parent_span_id: Option<String>,
    pub name: String,
    pub kind: Kind,
    pub status: Status,
    pub attributes: Attributes,
    /// In the order in which they were added.
    pub events: Vec<Event>,
    pub links: Vec<Link>,
    pub resource: Attributes,
    pub scope: Scope,
    pub start: u64,
    pub end: u64,
}

/// A span's role. `Unspecified` is on the wire when a sender did not set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Unset,
    Ok,
    /// With the description, often empty.
    Error(String),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    pub name: String,
    pub time: u64,
    pub attributes: Attributes,
}

/// A reference to another span, usually of another trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Link {
    pub trace_id: String,
    pub span_id: String,
    pub attributes: Attributes,
}

// === impl Span ===

impl Span {
    /// A span with these ids and nothing else: for tests that make their own.
    pub fn of_service(service: &str, kind: Kind, name: &str) -> Self {
        Self {
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: "b7ad6b7169203331".to_owned(),
            parent_span_id: None,
            name: name.to_owned(),
            kind,
            status: Status::Unset,
            attributes: Attributes::default(),
            events: Vec::new(),
            links: Vec::new(),
            resource: Attributes(vec![("service.name".to_owned(), service.into())]),
            scope: Scope::default(),
            start: 1_000_000_000,
            end: 1_001_000_000,
        }
    }

    /// `service.name` of its resource, empty when missing.
    pub fn service(&self) -> &str {
        self.resource.text("service.name").unwrap_or_default()
    }

    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.end.saturating_sub(self.start))
    }

    pub fn seconds(&self) -> f64 {
        self.duration().as_secs_f64()
    }

    pub fn is_error(&self) -> bool {
        matches!(self.status, Status::Error(_))
    }

    pub fn is(&self, service: &str, kind: Kind, name: &str) -> bool {
        self.service() == service && self.kind == kind && self.name == name
    }

    /// Whether it is a query of a database client.
    pub fn is_database(&self) -> bool {
        self.kind == Kind::Client && self.attributes.contains_key("db.system.name")
    }

    /// The attribute as text, numbers included.
    pub fn attribute(&self, key: &str) -> Option<String> {
        self.attributes.get(key).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    /// `SERVER POST /api/orders [gateway]`, safe to print.
    pub fn title(&self) -> String {
        let (name, service) = (escape(&self.name), escape(self.service()));
        format!("{} {name} [{service}]", self.kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Unspecified => "UNSPECIFIED",
            Kind::Internal => "INTERNAL",
            Kind::Server => "SERVER",
            Kind::Client => "CLIENT",
            Kind::Producer => "PRODUCER",
            Kind::Consumer => "CONSUMER",
        })
    }
}

// === from the wire ===

pub(crate) fn spans(batches: Vec<wire::ResourceSpans>) -> Vec<Span> {
    let mut spans = Vec::new();
    for batch in batches {
        let resource = value::resource(batch.resource);
        for group in batch.scope_spans {
            let scope = value::scope(group.scope, group.schema_url);
            let of_group = |s| span(s, resource.clone(), scope.clone());
            spans.extend(group.spans.into_iter().map(of_group));
        }
    }
    spans
}

pub(super) fn span(span: wire::Span, resource: Attributes, scope: Scope) -> Span {
    use wire::span::SpanKind;
    use wire::status::StatusCode;

    let kind = match span.kind() {
        SpanKind::Unspecified => Kind::Unspecified,
        SpanKind::Internal => Kind::Internal,
        SpanKind::Server => Kind::Server,
        SpanKind::Client => Kind::Client,
        SpanKind::Producer => Kind::Producer,
        SpanKind::Consumer => Kind::Consumer,
    };
    let status = span.status.unwrap_or_default();
    let event = |event: wire::span::Event| Event {
        name: event.name,
        time: event.time_unix_nano,
        attributes: event.attributes.into(),
    };
    let link = |link: wire::span::Link| Link {
        trace_id: value::hex(&link.trace_id),
        span_id: value::hex(&link.span_id),
        attributes: link.attributes.into(),
    };
    Span {
        trace_id: value::hex(&span.trace_id),
        span_id: value::hex(&span.span_id),
        parent_span_id: value::optional_hex(&span.parent_span_id),
        name: span.name,
        kind,
        status: match status.code() {
            StatusCode::Unset => Status::Unset,
            StatusCode::Ok => Status::Ok,
            StatusCode::Error => Status::Error(status.message),
        },
        attributes: span.attributes.into(),
        events: span.events.into_iter().map(event).collect(),
        links: span.links.into_iter().map(link).collect(),
        resource,
        scope,
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
    }
}
