//! The vocabulary of `checks/*.yaml`. A key that is not in it is an error.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

/// When a row is judged: the section of the file that it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Before the drive.
    Gate,
    /// A request of the drive, sent after the one above it.
    Drive,
    /// A request that is sent while those of `drive` are.
    Meanwhile,
    /// A request that is sent after all others.
    Last,
    /// Polled while the telemetry of the drive arrives.
    #[default]
    Arrive,
    /// After the rows of `arrive`: what must not be there.
    Close,
}

/// One check: a question to the shop or to a backend, and the answer that is expected.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Row {
    pub name: String,
    /// The file and line, such as `checks/api.yaml:12`.
    #[serde(skip)]
    pub place: String,
    #[serde(skip)]
    pub stage: Stage,

    // The question, exactly one.
    /// Method and URL; a path is sent to the gateway.
    pub http: Option<String>,
    pub promql: Option<String>,
    pub logql: Option<String>,
    pub traceql: Option<String>,
    /// The trace of this request of the drive, whichever store has it.
    pub trace: Option<String>,

    // Parts of a request of the drive.
    /// The name by which other rows mean this request.
    pub id: String,
    pub headers: BTreeMap<String, String>,
    pub body: Option<String>,
    /// The client disconnects after this time, before the answer.
    pub abandon: Option<String>,
    /// Parts of the answer's JSON body that other rows use as `{id.name}`.
    pub capture: BTreeMap<String, String>,

    // The verdict.
    pub status: Option<u16>,
    /// A status whose body is an RFC 9457 problem with the trace ID of the answer.
    pub problem: Option<u16>,
    /// The sum of the series rises by this much over the drive.
    pub moves_by: Option<Amount>,
    /// So many series with a sample that is newer than the drive, or so many lines since its start.
    pub at_least: Option<f64>,
    /// Every series is at most this.
    pub at_most: Option<f64>,
    /// There is a series, and every one has this value.
    pub exactly: Option<f64>,
    /// The search finds the traces of these requests.
    pub finds: Option<Vec<String>>,
    /// The trace is exactly this file of `checks/trees`.
    pub tree: Option<String>,
    /// Texts of an answer, or parts of a tree.
    pub has: Option<Texts>,
    /// The contrary of `has`; `true` for no line, no series or only zeros.
    pub absent: Option<Texts>,

    /// Requests that must have been answered before the row can hold.
    pub after: Vec<String>,
    /// The longest time between the end of the drive and a row that holds.
    pub within: Option<String>,
    /// Components and abilities without which the row is skipped.
    pub needs: Vec<String>,
    /// What to look at when the row fails.
    pub remedy: Option<String>,
}

/// The question of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind<'a> {
    Http(&'a str),
    Promql(&'a str),
    Logql(&'a str),
    Traceql(&'a str),
    Trace(&'a str),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    Exactly(f64),
    AtLeast {
        at_least: f64,
    },
    /// As many as the traces of the drive have spans like this, and at least one. `*` matches any text.
    Spans {
        spans: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    All(bool),
    One(String),
    Many(Vec<String>),
}

// === impl Row ===

impl Row {
    pub fn kind(&self) -> anyhow::Result<Kind<'_>> {
        let kinds = [
            self.http.as_deref().map(Kind::Http),
            self.promql.as_deref().map(Kind::Promql),
            self.logql.as_deref().map(Kind::Logql),
            self.traceql.as_deref().map(Kind::Traceql),
            self.trace.as_deref().map(Kind::Trace),
        ];
        let mut kinds = kinds.into_iter().flatten();
        match (kinds.next(), kinds.next()) {
            (Some(kind), None) => Ok(kind),
            _ => bail!("a row has exactly one of http, promql, logql, traceql and trace"),
        }
    }

    /// Whether this is a request of the drive.
    pub fn is_request(&self) -> bool {
        !self.id.is_empty()
    }

    /// The status that an HTTP answer must have.
    pub fn expected_status(&self) -> u16 {
        self.status.or(self.problem).unwrap_or_default()
    }

    pub fn limit(&self) -> Option<Duration> {
        humantime::parse_duration(self.within.as_deref()?).ok()
    }

    /// The requests that this row names.
    pub fn named_requests(&self) -> impl Iterator<Item = &String> {
        self.after
            .iter()
            .chain(self.finds.iter().flatten())
            .chain(&self.trace)
    }

    /// What must be there, or the row is skipped.
    pub fn all_needs(&self) -> impl Iterator<Item = &str> {
        let implied = [
            (self.logql.is_some(), "loki"),
            (self.traceql.is_some(), "tempo"),
        ];
        let implied = implied.into_iter().filter(|(is_implied, _)| *is_implied);
        self.needs
            .iter()
            .map(String::as_str)
            .chain(implied.map(|(_, name)| name))
    }

    /// Whether the words of the row belong together.
    pub(crate) fn examine(&self) -> anyhow::Result<()> {
        let kind = self.kind()?;
        let verdicts = [
            ("status", self.status.is_some()),
            ("problem", self.problem.is_some()),
            ("moves_by", self.moves_by.is_some()),
            ("at_least", self.at_least.is_some()),
            ("at_most", self.at_most.is_some()),
            ("exactly", self.exactly.is_some()),
            ("finds", self.finds.is_some()),
            ("tree", self.tree.is_some()),
            ("has", self.has.is_some()),
            ("absent", self.absent.is_some()),
        ];
        let written: Vec<&str> = verdicts
            .iter()
            .filter(|(_, is)| *is)
            .map(|(word, _)| *word)
            .collect();
        let (name, allowed, most): (_, &[&str], usize) = match kind {
            Kind::Http(_) => ("http", &["status", "problem", "has", "absent"], 3),
            Kind::Promql(_) => (
                "promql",
                &["moves_by", "at_least", "at_most", "exactly", "absent"],
                1,
            ),
            Kind::Logql(_) => ("logql", &["at_least", "absent"], 1),
            Kind::Traceql(_) => ("traceql", &["finds"], 1),
            Kind::Trace(_) => ("trace", &["tree", "has", "absent"], 3),
        };
        if let Some(word) = written.iter().find(|word| !allowed.contains(word)) {
            bail!(
                "`{word}` does not belong to `{name}`, which has {}",
                allowed.join(", ")
            );
        }
        ensure!(
            (1..=most).contains(&written.len()),
            "a row has one verdict, this one has {}",
            written.len()
        );
        let is_flag = matches!(self.absent, Some(Texts::All(_)));
        match kind {
            Kind::Http(line) => {
                ensure!(
                    line.contains(' '),
                    "`http` needs a method and a URL, such as `GET /`"
                );
                ensure!(
                    self.status.is_some() != self.problem.is_some(),
                    "`http` needs one of `status` and `problem`"
                );
                let is_driven = matches!(self.stage, Stage::Drive | Stage::Meanwhile | Stage::Last);
                ensure!(
                    is_driven == self.is_request(),
                    "requests of the drive have an `id`, and no other row has one"
                );
            }
            _ => {
                let is_plain =
                    self.id.is_empty() && self.headers.is_empty() && self.capture.is_empty();
                ensure!(
                    is_plain && self.body.is_none() && self.abandon.is_none(),
                    "parts of a request without `http`"
                );
                let is_driven = matches!(self.stage, Stage::Drive | Stage::Meanwhile | Stage::Last);
                ensure!(!is_driven, "only `http` can be driven");
            }
        }
        let needs_flag = matches!(kind, Kind::Promql(_) | Kind::Logql(_));
        ensure!(
            self.absent.is_none() || is_flag == needs_flag,
            "`absent` is `true` for series and lines, a text otherwise"
        );
        for (word, text) in [("within", &self.within), ("abandon", &self.abandon)] {
            if let Some(text) = text {
                humantime::parse_duration(text).with_context(|| format!("`{word}`: {text}"))?;
            }
        }
        Ok(())
    }
}

// === impl Texts ===

impl Texts {
    pub fn of(texts: &Option<Self>) -> &[String] {
        match texts {
            None | Some(Self::All(_)) => &[],
            Some(Self::One(text)) => std::slice::from_ref(text),
            Some(Self::Many(texts)) => texts,
        }
    }
}
