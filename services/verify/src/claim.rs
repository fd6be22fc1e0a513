//! A row of `verify`: its name, and what is judged.

use checks::Kind;

use crate::claims;

#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub claim: Claim,
}

#[derive(Clone, Debug)]
pub enum Claim {
    /// A row of `checks/*.yaml`.
    Check(Box<checks::Row>),
    /// What no single query can say.
    Compared(Compared),
    /// What a shipped file says.
    Shipped(Box<claims::Claim>),
}

/// Checks that compare two sources, in Rust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Both log pipelines hold the same records.
    LogPipelines,
    /// Both hold the first lines of each service, which are outside spans.
    StartLines,
    /// Exemplars against the trace store.
    Exemplars,
    /// What the Collector accepted against what it sent.
    Conserved(Signal),
    NothingRefused,
    DocumentedMetrics,
    DocumentedSpans,
    DocumentedEvents,
    NoUndocumentedMetric,
    /// The connections of a service against the topology.
    Sockets(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Spans,
    Logs,
    Metrics,
}

// === impl Row ===

impl Row {
    pub fn check(check: &checks::Row) -> Self {
        Self {
            name: check.name.clone(),
            claim: Claim::Check(Box::new(check.clone())),
        }
    }

    /// What to look at when the row fails.
    pub fn remedy(&self) -> Option<&str> {
        match &self.claim {
            Claim::Check(check) => check.remedy.as_deref(),
            Claim::Compared(_) | Claim::Shipped(_) => None,
        }
    }

    /// What must be there, or the row is skipped. Rows of shipped files find out themselves.
    pub fn needs(&self) -> Vec<&str> {
        match &self.claim {
            Claim::Check(check) => check.all_needs().collect(),
            Claim::Compared(Compared::LogPipelines | Compared::StartLines) => {
                vec!["loki", "promtail"]
            }
            Claim::Compared(Compared::Sockets(_)) => vec!["processes"],
            Claim::Compared(_) | Claim::Shipped(_) => Vec::new(),
        }
    }
}

// === impl Claim ===

impl Claim {
    /// The query as an operator types it.
    pub fn query(&self) -> Option<String> {
        match self {
            Self::Check(check) => match check.kind().ok()? {
                Kind::Promql(text) | Kind::Logql(text) | Kind::Traceql(text) | Kind::Http(text) => {
                    Some(text.to_owned())
                }
                Kind::Trace(_) => None,
            },
            Self::Shipped(shipped) => shipped.query(),
            Self::Compared(_) => None,
        }
    }
}
