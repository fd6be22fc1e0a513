//! What a row of the expectation table can say. The words are here, the sentences in `expectations`.

use crate::claims;
use crate::drive::{Answer, Case};
use crate::trace::{Kind, Span};

/// One row: a claim about the running system that holds or does not.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub claim: Claim,
}

#[derive(Clone, Debug)]
pub enum Claim {
    /// The series of `promql` rise by this much in all, from the baseline before the drive.
    Rises {
        promql: String,
        by: Amount,
    },
    Series {
        promql: String,
        holds: Series,
    },
    /// Lines since the start of the drive.
    Lines {
        logql: String,
        holds: Lines,
    },
    /// A TraceQL search since the start of the drive finds these traces.
    Search {
        traceql: String,
        finds: Vec<Case>,
    },
    Trace {
        case: Case,
        shape: Shape,
    },
    Response {
        case: Case,
        holds: Response,
    },
    /// What no single query says.
    Whole(Whole),
    /// What a shipped file says.
    Shipped(Box<claims::Claim>),
}

#[derive(Clone, Copy, Debug)]
pub enum Amount {
    Exactly(f64),
    AtLeast(f64),
    /// As many as requests of the drive were answered so.
    Answers(fn(&Answer) -> bool),
    /// As many as the traces of the drive have such spans, and at least one.
    Spans(fn(&Span) -> bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// At least one, with a sample that is newer than the drive's start.
    Fresh,
    /// At least one, and each of them is 1.
    AllOne,
    /// None, or only zeros.
    Nothing,
    /// Each is at most this many million bytes; the goal is told with it.
    Megabytes { at_most: u64, goal: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    AtLeast(usize),
    None,
}

/// A span by where it is made, its kind and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node(pub &'static str, pub Kind, pub &'static str);

#[derive(Clone, Debug)]
pub enum Shape {
    /// One root, no orphan, all four services, at least this many spans; each SERVER span below the root has a CLIENT
    /// parent in another service, each CLIENT span that is no query a SERVER child.
    OneTree {
        least: usize,
    },
    Edge {
        parent: Node,
        child: Node,
    },
    /// A query of this service below its own SERVER span, on a database that is not named like a service.
    Query {
        service: &'static str,
    },
    /// This span, somewhere below a SERVER span of its service.
    Below {
        node: Node,
    },
    /// A span with these attributes, and whether its status is an error.
    Span {
        node: Node,
        attributes: &'static [(&'static str, &'static str)],
        is_error: bool,
    },
    /// A span that takes at least this many seconds.
    Slow {
        node: Node,
        seconds: f64,
    },
    /// No span of the trace has an error status.
    NoError,
    /// The trace is not the caller's, and its root links it.
    LinksCaller,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    Status(u16),
    /// RFC 9457 with the trace id of this response.
    Problem(u16),
}

/// Claims that take more than one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    Ready(Component),
    TargetsUp,
    Pipelines,
    TraceresponseEverywhere,
    SameOrderForTheSameKey,
    /// What the scenario page links to.
    LinksAnswer,
    /// The fourth step of the original's walk: Tempo's own address for a trace.
    TraceByOldAddress,
    AbandonedIsCancelled,
    IdsAreNoLabels,
    ContainerLabels,
    LanesAreEqual,
    StartIsInBothLanes,
    Exemplars,
    Conserved(Signal),
    NothingRefused,
    DocumentedMetrics,
    DocumentedSpans,
    DocumentedEvents,
    NoUndocumentedMetric,
    Sockets(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    Collector,
    Prometheus,
    Loki,
    Tempo,
    Gateway,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Spans,
    Logs,
    Metrics,
}

// === impl Claim ===

impl Claim {
    /// The query as an operator would type it.
    pub fn query(&self) -> Option<String> {
        match self {
            Self::Rises { promql, .. } | Self::Series { promql, .. } => Some(promql.clone()),
            Self::Lines { logql, .. } => Some(logql.clone()),
            Self::Search { traceql, .. } => Some(traceql.clone()),
            Self::Shipped(shipped) => shipped.query(),
            Self::Trace { .. } | Self::Response { .. } | Self::Whole(_) => None,
        }
    }
}

// === impl Node ===

impl Node {
    pub fn matches(self, span: &Span) -> bool {
        span.is(self.0, self.1, self.2)
    }

    pub fn title(self) -> String {
        format!("{} {} [{}]", self.1, self.2, self.0)
    }
}
