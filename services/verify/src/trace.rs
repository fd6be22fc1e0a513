//! A trace as verify judges and draws it, whatever backend it came from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Span {
    pub trace_id: String,
    pub span_id: String,
    pub parent_id: Option<String>,
    pub service: String,
    pub scope: String,
    pub kind: Kind,
    pub name: String,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    pub status: Status,
    pub attributes: BTreeMap<String, Value>,
    pub events: Vec<String>,
    /// Trace ids this span links to.
    pub links: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Unset,
    Ok,
    Error,
}

/// All spans of one trace id that a backend knows so far.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Trace {
    pub spans: Vec<Span>,
}

// === impl Kind ===

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Internal => "INTERNAL",
            Self::Server => "SERVER",
            Self::Client => "CLIENT",
            Self::Producer => "PRODUCER",
            Self::Consumer => "CONSUMER",
        }
    }
}

// === impl Span ===

impl Span {
    /// The attribute as text, numbers included.
    pub fn attribute(&self, key: &str) -> Option<String> {
        self.attributes.get(key).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    pub fn is(&self, service: &str, kind: Kind, name: &str) -> bool {
        self.service == service && self.kind == kind && self.name == name
    }

    pub fn is_database(&self) -> bool {
        self.kind == Kind::Client && self.attributes.contains_key("db.system.name")
    }

    pub fn seconds(&self) -> f64 {
        self.end.saturating_sub(self.start) as f64 / 1e9
    }

    /// `SERVER POST /api/orders [gateway]`.
    pub fn title(&self) -> String {
        format!("{} {} [{}]", self.kind.word(), self.name, self.service)
    }
}

// === impl Trace ===

impl Trace {
    /// Keeps one copy of each span: a retried export delivers twice.
    pub fn new(spans: Vec<Span>) -> Self {
        let mut seen = BTreeSet::new();
        let mut spans: Vec<Span> = spans
            .into_iter()
            .filter(|span| seen.insert(span.span_id.clone()))
            .collect();
        spans.sort_by(|a, b| (a.start, &a.span_id).cmp(&(b.start, &b.span_id)));
        Self { spans }
    }

    pub fn span(&self, id: &str) -> Option<&Span> {
        self.spans.iter().find(|span| span.span_id == id)
    }

    pub fn parent(&self, span: &Span) -> Option<&Span> {
        span.parent_id.as_deref().and_then(|id| self.span(id))
    }

    pub fn children<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Span> {
        self.spans
            .iter()
            .filter(move |span| span.parent_id.as_deref() == Some(id))
    }

    /// Spans without a parent.
    pub fn roots(&self) -> Vec<&Span> {
        self.spans
            .iter()
            .filter(|span| span.parent_id.is_none())
            .collect()
    }

    /// Spans whose parent has not arrived.
    pub fn orphans(&self) -> Vec<&Span> {
        self.spans
            .iter()
            .filter(|span| span.parent_id.is_some() && self.parent(span).is_none())
            .collect()
    }

    pub fn services(&self) -> BTreeSet<&str> {
        self.spans
            .iter()
            .map(|span| span.service.as_str())
            .collect()
    }

    /// The nearest SERVER span above `span`.
    pub fn server_of<'a>(&'a self, span: &'a Span) -> Option<&'a Span> {
        let mut at = self.parent(span);
        while let Some(above) = at {
            if above.kind == Kind::Server {
                return Some(above);
            }
            at = self.parent(above);
        }
        None
    }

    /// The tree by titles, for a failure's last state.
    pub fn outline(&self) -> String {
        let mut titles: Vec<String> = self.spans.iter().map(Span::title).collect();
        titles.dedup();
        format!("{} spans: {}", self.spans.len(), titles.join(", "))
    }
}

#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    /// A span named `id`, a millisecond long, that starts `start` ms into its trace.
    pub(crate) fn span(
        id: &str,
        parent: Option<&str>,
        service: &str,
        kind: Kind,
        name: &str,
    ) -> Span {
        Span {
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: id.to_owned(),
            parent_id: parent.map(str::to_owned),
            service: service.to_owned(),
            scope: "test".to_owned(),
            kind,
            name: name.to_owned(),
            start: 1_000_000_000,
            end: 1_001_000_000,
            status: Status::Unset,
            attributes: BTreeMap::new(),
            events: Vec::new(),
            links: Vec::new(),
        }
    }

    #[test]
    fn a_span_delivered_twice_counts_once() {
        let one = span("a", None, "gateway", Kind::Server, "GET /");
        assert_eq!(Trace::new(vec![one.clone(), one]).spans.len(), 1);
    }

    #[test]
    fn a_span_whose_parent_is_missing_is_an_orphan_and_no_root() {
        let trace = Trace::new(vec![
            span("a", None, "gateway", Kind::Server, "GET /"),
            span("b", Some("lost"), "order", Kind::Server, "PlaceOrder"),
        ]);
        assert_eq!(trace.roots().len(), 1);
        assert_eq!(trace.orphans()[0].span_id, "b");
    }
}
