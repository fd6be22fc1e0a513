//! Spans as they arrived.

use std::fmt;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1 as wire;

use super::value::{self, Attributes, Scope};

/// One exported span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Lower-case hex.
    pub trace_id: String,
    /// Lower-case hex.
    pub span_id: String,
    /// Lower-case hex; `None` for a root.
    pub parent_span_id: Option<String>,
    /// The span's name.
    pub name: String,
    /// Its role in a request.
    pub kind: Kind,
    /// Its status.
    pub status: Status,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its events in the order they were added.
    pub events: Vec<Event>,
    /// Its links.
    pub links: Vec<Link>,
    /// Attributes of the resource that sent it.
    pub resource: Attributes,
    /// The scope that recorded it.
    pub scope: Scope,
    /// Nanoseconds since the epoch.
    pub start: u64,
    /// Nanoseconds since the epoch.
    pub end: u64,
}

/// A span's role. `Unspecified` is on the wire when a sender forgot it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each variant is the OTLP span kind of that name"
)]
pub enum Kind {
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// A span's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing was said.
    Unset,
    /// Declared good by the application.
    Ok,
    /// Failed, with the description (often empty).
    Error(String),
}

/// A point in time within a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The event's name.
    pub name: String,
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// Its attributes.
    pub attributes: Attributes,
}

/// A reference to another span, usually of another trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Lower-case hex.
    pub trace_id: String,
    /// Lower-case hex.
    pub span_id: String,
    /// Its attributes.
    pub attributes: Attributes,
}

// === impl Span ===

impl Span {
    /// `service.name` of its resource, empty when missing.
    pub fn service(&self) -> &str {
        self.resource.text("service.name").unwrap_or_default()
    }

    /// From start to end.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.end.saturating_sub(self.start))
    }

    /// Whether the status is an error.
    pub fn is_error(&self) -> bool {
        matches!(self.status, Status::Error(_))
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

pub(crate) fn spans(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for batch in request.resource_spans {
        let resource = value::resource(batch.resource);
        for group in batch.scope_spans {
            let scope = value::scope(group.scope, group.schema_url);
            spans.extend(
                group
                    .spans
                    .into_iter()
                    .map(|s| span(s, resource.clone(), scope.clone())),
            );
        }
    }
    spans
}

fn span(span: wire::Span, resource: Attributes, scope: Scope) -> Span {
    let kind = match span.kind() {
        wire::span::SpanKind::Unspecified => Kind::Unspecified,
        wire::span::SpanKind::Internal => Kind::Internal,
        wire::span::SpanKind::Server => Kind::Server,
        wire::span::SpanKind::Client => Kind::Client,
        wire::span::SpanKind::Producer => Kind::Producer,
        wire::span::SpanKind::Consumer => Kind::Consumer,
    };
    Span {
        trace_id: value::hex(&span.trace_id),
        span_id: value::hex(&span.span_id),
        parent_span_id: value::optional_hex(&span.parent_span_id),
        name: span.name,
        kind,
        status: status(span.status),
        attributes: span.attributes.into(),
        events: span.events.into_iter().map(event).collect(),
        links: span.links.into_iter().map(link).collect(),
        resource,
        scope,
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
    }
}

fn status(status: Option<wire::Status>) -> Status {
    let Some(status) = status else {
        return Status::Unset;
    };
    match status.code() {
        wire::status::StatusCode::Unset => Status::Unset,
        wire::status::StatusCode::Ok => Status::Ok,
        wire::status::StatusCode::Error => Status::Error(status.message),
    }
}

fn event(event: wire::span::Event) -> Event {
    Event {
        name: event.name,
        time: event.time_unix_nano,
        attributes: event.attributes.into(),
    }
}

fn link(link: wire::span::Link) -> Link {
    Link {
        trace_id: value::hex(&link.trace_id),
        span_id: value::hex(&link.span_id),
        attributes: link.attributes.into(),
    }
}
