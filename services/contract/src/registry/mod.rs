//! The registry as data.

mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

/// The contents of `services/contract/registry`, with inherited attributes resolved.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// All services of the shop; what is emitted `by: [all]`.
    pub services: Vec<String>,
    /// Attributes of the resource.
    pub resource: Vec<AttributeRef>,
    /// Attributes that are defined here, in contrast to those of the upstream conventions.
    pub attributes: Vec<Attribute>,
    /// Edge spans and business spans.
    pub spans: Vec<Span>,
    /// Metrics, those of the upstream conventions included.
    pub metrics: Vec<Metric>,
    /// Log events.
    pub events: Vec<Event>,
}

/// The definition of an attribute.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its key.
    pub name: String,
    /// What it is.
    pub brief: String,
    /// All values that it can have; empty if they are not enumerated.
    pub values: Vec<String>,
}

/// An attribute as a signal uses it.
#[derive(Clone, Debug)]
pub struct AttributeRef {
    /// Its key.
    pub name: String,
    /// Whether every item of the signal has it.
    pub is_required: bool,
    /// What the values mean here.
    pub note: String,
    /// All values that it can have here; empty if they are not enumerated.
    pub values: Vec<String>,
}

/// A span.
#[derive(Clone, Debug)]
pub struct Span {
    /// The identifier of the definition, without its type. The constant is named after it.
    pub id: String,
    /// The name; of an edge span, the rule for it.
    pub name: String,
    /// INTERNAL for business spans.
    pub kind: SpanKind,
    /// What it covers.
    pub brief: String,
    /// The services that emit it.
    pub by: Vec<String>,
    /// Its attributes.
    pub attributes: Vec<AttributeRef>,
    /// Of HTTP servers: the routes of each service.
    pub routes: BTreeMap<String, Vec<String>>,
}

/// The kind of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names of the specification")]
pub enum SpanKind {
    Internal,
    Server,
    Client,
}

/// A metric.
#[derive(Clone, Debug)]
pub struct Metric {
    /// The identifier of the definition, without its type. The constant is named after it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it measures.
    pub brief: String,
    /// How it is recorded.
    pub instrument: Instrument,
    /// Its unit, by UCUM.
    pub unit: String,
    /// The services that emit it.
    pub by: Vec<String>,
    /// Its attributes.
    pub attributes: Vec<AttributeRef>,
}

/// How a metric is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names of the specification")]
pub enum Instrument {
    Counter,
    UpDownCounter,
    Gauge,
    Histogram,
}

/// A log event: the value of `event.name`.
#[derive(Clone, Debug)]
pub struct Event {
    /// The identifier of the definition, without its type. The constant is named after it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it is logged.
    pub brief: String,
    /// The severities that it can have; empty for any.
    pub severity: Vec<String>,
    /// The services that emit it.
    pub by: Vec<String>,
    /// Its attributes.
    pub attributes: Vec<AttributeRef>,
}

// === impl Registry ===

impl Registry {
    /// The metric of that name.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    /// The log event of that name.
    pub fn event(&self, name: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.name == name)
    }

    /// The attribute of that name, if it is defined here.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }

    /// INTERNAL spans, which have a fixed name.
    pub fn business_spans(&self) -> impl Iterator<Item = &Span> {
        let spans = self.spans.iter();
        spans.filter(|span| span.kind == SpanKind::Internal)
    }

    /// The names of [`Self::business_spans`].
    pub fn span_names(&self) -> BTreeSet<&str> {
        self.business_spans()
            .map(|span| span.name.as_str())
            .collect()
    }

    /// The names of all log events.
    pub fn event_names(&self) -> BTreeSet<&str> {
        self.events.iter().map(|event| &*event.name).collect()
    }

    /// Whether a span, metric, event or resource has an attribute of that name.
    pub fn is_attribute(&self, name: &str) -> bool {
        self.attribute(name).is_some() || self.used().any(|used| used.name == name)
    }

    /// Whether `label` is the name of an attribute as Prometheus and Loki write it.
    pub fn is_label(&self, label: &str) -> bool {
        let defined = self.attributes.iter().map(|attribute| &attribute.name);
        let mut names = defined.chain(self.used().map(|used| &used.name));
        names.any(|name| prometheus_name(name) == label)
    }

    /// The routes of all services, which HTTP spans are named after.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        let routes = self.spans.iter().flat_map(|span| span.routes.values());
        routes.flatten().map(String::as_str)
    }

    /// The routes of one service.
    pub fn routes_of(&self, service: &str) -> impl Iterator<Item = &str> {
        let routes = self
            .spans
            .iter()
            .filter_map(move |span| span.routes.get(service));
        routes.flatten().map(String::as_str)
    }

    /// Whether an edge span has the name that its attributes require.
    pub fn is_edge_name<Text: Into<String>>(
        &self,
        name: &str,
        attribute: impl Fn(&str) -> Option<Text>,
    ) -> bool {
        let of = |key| attribute(key).map(Into::into).unwrap_or_default();
        if attribute("db.system.name").is_some() {
            return name == format!("{} {}", of("db.operation.name"), of("db.collection.name"));
        }
        if attribute("rpc.system.name").is_some() {
            return name == of("rpc.method") && (name.contains('/') || name == "_OTHER");
        }
        let method = of("http.request.method");
        match name.split_once(' ') {
            Some((named, route)) => {
                named == method && self.routes().any(|documented| documented == route)
            }
            None => name == method && attribute("http.route").is_none(),
        }
    }

    fn used(&self) -> impl Iterator<Item = &AttributeRef> {
        let spans = self.spans.iter().map(|span| &span.attributes);
        let metrics = self.metrics.iter().map(|metric| &metric.attributes);
        let events = self.events.iter().map(|event| &event.attributes);
        let signals = spans.chain(metrics).chain(events).flatten();
        self.resource.iter().chain(signals)
    }
}

// === impl Metric ===

impl Metric {
    /// The series that Prometheus shows for it: dots become underscores, the unit and `_total` are appended.
    pub fn series(&self) -> Vec<String> {
        let base = prometheus_name(&self.name);
        let with_unit = match self.unit_suffix() {
            Some(unit) if !base.ends_with(&format!("_{unit}")) => format!("{base}_{unit}"),
            _ => base,
        };
        match self.instrument {
            Instrument::Counter => vec![format!("{with_unit}_total")],
            Instrument::UpDownCounter | Instrument::Gauge => vec![with_unit],
            Instrument::Histogram => ["bucket", "count", "sum"]
                .map(|part| format!("{with_unit}_{part}"))
                .to_vec(),
        }
    }

    /// As the Collector's remote-write exporter translates it; an annotation such as `{order}` adds nothing.
    fn unit_suffix(&self) -> Option<&str> {
        match &*self.unit {
            "" => None,
            "s" => Some("seconds"),
            "ms" => Some("milliseconds"),
            "By" => Some("bytes"),
            "1" => (self.instrument == Instrument::Gauge).then_some("ratio"),
            annotation if annotation.starts_with('{') => None,
            other => Some(other),
        }
    }
}

// === impl Instrument ===

impl fmt::Display for Instrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "updowncounter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

// === impl SpanKind ===

impl fmt::Display for SpanKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Internal => "INTERNAL",
            Self::Server => "SERVER",
            Self::Client => "CLIENT",
        })
    }
}

/// The name of a metric or an attribute as Prometheus and Loki write it.
pub fn prometheus_name(name: &str) -> String {
    name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_")
}
