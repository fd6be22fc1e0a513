//! What rows are judged by, and the dispatch from a row to the code that judges it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use checks::{Checks, Driven, Driver, Lists};
use contract::Registry;
use tokio::sync::{Mutex, OnceCell};

use super::{Baseline, collector, documented, exemplars, logs, row};
use crate::backend::{Collector, Logs, Loki, Prometheus, Tempo, Traces};
use crate::claim::{Claim, Compared, Row};
use crate::claims::{self, Artifacts, BackendNames};
use crate::poll::Look;
use crate::sockets::{Allowed, Seen};
use crate::trace::Trace;

/// Many rows look at the same trace: one answer serves those that ask within this time.
const FRESH: Duration = Duration::from_millis(400);

/// The last answer of the trace store for each trace ID, and when it was given.
pub type Cache = Mutex<HashMap<String, (Instant, Option<Arc<Trace>>)>>;

pub struct Scene {
    pub traces: Traces,
    pub prometheus: Prometheus,
    pub loki: Loki,
    /// Loki, or the archive in its place.
    pub logs: Logs,
    pub collector: Collector,
    pub driver: Driver,
    pub driven: Driven,
    pub checks: Arc<Checks>,
    pub lists: Lists,
    /// Addresses, by the words that rows use.
    pub places: BTreeMap<String, String>,
    /// Components and abilities that are there, by the words of `needs`.
    pub present: BTreeSet<String>,
    /// Between two flushes of the connectors.
    pub interval: Duration,
    pub baseline: Baseline,
    pub contract: Registry,
    pub sockets: Seen,
    /// Empty where the services are no processes of this machine that can be read.
    pub allowed: Vec<Allowed>,
    pub cache: Cache,
    /// Of the working copy, or of a copy that was changed to see rows fail.
    pub artifacts: Artifacts,
    /// The working copy itself.
    pub repository: PathBuf,
    /// Only where one runs.
    pub grafana: Option<String>,
    pub known: OnceCell<BackendNames>,
}

// === impl Scene ===

impl Scene {
    /// One look at whether `row` holds now.
    pub async fn look(&self, row: &Row) -> Look {
        if let Some(missing) = row.needs().into_iter().find(|need| !self.has(need)) {
            return Look::Missing(format!("no {missing}"));
        }
        let looked = match &row.claim {
            Claim::Check(check) => row::look(self, check).await,
            Claim::Compared(compared) => self.compare(compared).await,
            Claim::Shipped(shipped) => claims::look(self, shipped).await,
        };
        // A backend that cannot be asked may be on its way up.
        looked.unwrap_or_else(|error| Look::NotYet(format!("{error:#}")))
    }

    async fn compare(&self, compared: &Compared) -> anyhow::Result<Look> {
        match compared {
            Compared::LogPipelines => logs::lanes_are_equal(self).await,
            Compared::StartLines => logs::start_is_in_both_lanes(self).await,
            Compared::Exemplars => exemplars::lead_to_traces(self).await,
            Compared::Conserved(signal) => collector::conserved(self, *signal).await,
            Compared::NothingRefused => collector::nothing_refused(self).await,
            Compared::DocumentedMetrics => documented::metrics(self).await,
            Compared::NoUndocumentedMetric => documented::no_other_metric(self).await,
            Compared::DocumentedSpans => documented::spans(self).await,
            Compared::DocumentedEvents => documented::events(self).await,
            Compared::Sockets(service) => Ok(self.sockets_of(service)),
        }
    }

    /// The row with its variables filled in; one that cannot be filled stays as it is, and fails.
    pub async fn filled(&self, mut row: Row) -> Row {
        let Claim::Check(check) = &row.claim else {
            return row;
        };
        let age = match &check.logql {
            Some(logql) if logql.contains("{age}") => self.age().await,
            _ => None,
        };
        let value = |name: &str| match self.places.get(name) {
            Some(place) => Some(place.clone()),
            None if name == "age" => age.clone(),
            None => self.driven.value(name),
        };
        if let Ok(filled) = check.filled(value) {
            row.claim = Claim::Check(Box::new(filled));
        }
        row
    }

    /// How long ago the oldest process of the system was started, in seconds.
    async fn age(&self) -> Option<String> {
        let began = self.prometheus.began(None).await.ok()?;
        Some(began.elapsed().ok()?.as_secs().to_string())
    }

    /// Whether a component or ability of `needs` is there.
    pub fn has(&self, name: &str) -> bool {
        self.present.contains(name)
    }

    /// The names that Loki and Tempo have, asked for once, after the drive.
    pub async fn known(&self) -> anyhow::Result<&BackendNames> {
        self.known.get_or_try_init(|| BackendNames::of(self)).await
    }

    pub fn tempo(&self) -> Result<&Tempo, Look> {
        match &self.traces {
            Traces::Tempo(tempo) => Ok(tempo),
            Traces::Archive(_) => Err(Look::Missing("no tempo".to_owned())),
        }
    }

    /// The trace of a request of the drive, as far as it has arrived.
    pub async fn trace(&self, request: &str) -> anyhow::Result<Result<Arc<Trace>, Look>> {
        let id = match self.driven.trace_id(request) {
            Some(id) => id.to_owned(),
            None => match self.linked(request).await? {
                Ok(id) => id,
                Err(look) => return Ok(Err(look)),
            },
        };
        Ok(match self.trace_by_id(&id).await? {
            Some(trace) => Ok(trace),
            None => Err(Look::NotYet(format!(
                "{} has no trace {id}",
                self.traces.describe()
            ))),
        })
    }

    /// The trace ID of a request whose client disconnected: it is found by the trace that it links to.
    async fn linked(&self, request: &str) -> anyhow::Result<Result<String, Look>> {
        if !self
            .driven
            .abandoned()
            .any(|abandoned| abandoned == request)
        {
            return Ok(Err(Look::Broken(format!(
                "{request} was answered without a trace ID"
            ))));
        }
        let parent = self.driven.parent(request).unwrap_or_default();
        let linked = self.traces.linked_to(parent, self.driven.started).await?;
        let found = linked.into_iter().next();
        Ok(found.ok_or_else(|| Look::NotYet(format!("no trace links {parent}"))))
    }

    pub async fn trace_by_id(&self, id: &str) -> anyhow::Result<Option<Arc<Trace>>> {
        // Held over the query on purpose: of ten rows that want the same trace one asks, nine wait for its answer.
        let mut cache = self.cache.lock().await;
        if let Some((at, trace)) = cache.get(id)
            && at.elapsed() < FRESH
        {
            return Ok(trace.clone());
        }
        let trace = self.traces.trace(id).await?.map(Arc::new);
        cache.insert(id.to_owned(), (Instant::now(), trace.clone()));
        Ok(trace)
    }

    /// Every trace of the drive, those of abandoned requests included; `Err` names the first that is missing.
    pub async fn all_traces(&self) -> anyhow::Result<Result<Vec<Arc<Trace>>, Look>> {
        let mut found = Vec::new();
        for answer in &self.driven.answers {
            match self.trace(&answer.request).await? {
                Ok(trace) => found.push(trace),
                Err(look) => return Ok(Err(look)),
            }
        }
        Ok(Ok(found))
    }

    fn sockets_of(&self, service: &str) -> Look {
        let allowed = self
            .allowed
            .iter()
            .find(|allowed| allowed.service == service);
        match allowed.map(|allowed| self.sockets.judge(allowed)) {
            None => Look::Missing("no processes".to_owned()),
            Some(Ok(evidence)) => Look::Holds(evidence),
            Some(Err(state)) => Look::Broken(state),
        }
    }
}
