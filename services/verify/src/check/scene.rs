//! Everything a row may be judged by, and the dispatch from a claim to the code that judges it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::Registry;
use tokio::sync::{Mutex, OnceCell};

use super::{documented, links, logs, metrics, pipeline, traces};
use crate::backend::{Collector, Loki, Prometheus, Sample, Tempo, Traces};
use crate::claim::{Claim, Component, Response, Row, Whole};
use crate::claims::{self, Artifacts, BackendNames};
use crate::drive::{Answer, Case, Driven, Driver};
use crate::poll::Look;
use crate::sockets::{Allowed, Seen};
use crate::trace::Trace;

/// Many rows look at the same trace: one answer serves those that ask within this time.
const FRESH: Duration = Duration::from_millis(400);

/// The state before the drive.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// When it was begun, in seconds since 1970.
    pub since: f64,
    /// The series of each counter row, by query.
    pub series: HashMap<String, Vec<Sample>>,
    /// Per signal: accepted minus sent, while no queue held anything.
    pub gaps: BTreeMap<&'static str, f64>,
    /// What the Collector had refused or lost by then, by metric.
    pub losses: BTreeMap<String, f64>,
}

/// The last answer of the trace store for each trace id, and when it was given.
pub type Cache = Mutex<HashMap<String, (Instant, Option<Arc<Trace>>)>>;

pub struct Scene {
    pub traces: Traces,
    pub prometheus: Prometheus,
    pub loki: Loki,
    pub collector: Collector,
    pub driver: Driver,
    pub driven: Driven,
    /// Components and abilities that are there, by the words of `needs`.
    pub present: BTreeSet<String>,
    /// Between two flushes of the connectors.
    pub interval: Duration,
    pub baseline: Baseline,
    pub contract: Registry,
    pub sockets: Seen,
    /// Empty where the services are no processes of this machine that we may look into.
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
        let looked = match &row.claim {
            Claim::Rises { promql, by } => metrics::rises(self, promql, *by).await,
            Claim::Series { promql, holds } => metrics::series(self, promql, *holds).await,
            Claim::Lines { logql, holds } => logs::lines(self, logql, *holds).await,
            Claim::Search { traceql, finds } => traces::search(self, traceql, finds).await,
            Claim::Trace { case, shape } => traces::shape(self, *case, shape).await,
            Claim::Response { case, holds } => Ok(self.response(*case, *holds)),
            Claim::Whole(whole) => self.whole(*whole).await,
            Claim::Shipped(shipped) => claims::look(self, shipped).await,
        };
        // A backend that cannot be asked may be on its way up.
        looked.unwrap_or_else(|error| Look::NotYet(format!("{error:#}")))
    }

    async fn whole(&self, whole: Whole) -> anyhow::Result<Look> {
        match whole {
            Whole::Ready(component) => self.ready(component).await,
            Whole::TargetsUp => metrics::targets_up(self).await,
            Whole::Pipelines => pipeline::zpages(self).await,
            Whole::TraceresponseEverywhere => Ok(self.traceresponse_everywhere()),
            Whole::SameOrderForTheSameKey => Ok(self.same_order()),
            Whole::LinksAnswer => links::answer(self).await,
            Whole::TraceByOldAddress => traces::by_old_address(self).await,
            Whole::AbandonedIsCancelled => traces::abandoned(self).await,
            Whole::IdsAreNoLabels => logs::ids_are_no_labels(self).await,
            Whole::ContainerLabels => logs::container_labels(self).await,
            Whole::LanesAreEqual => logs::lanes_are_equal(self).await,
            Whole::StartIsInBothLanes => logs::start_is_in_both_lanes(self).await,
            Whole::Exemplars => metrics::exemplars(self).await,
            Whole::Conserved(signal) => pipeline::conserved(self, signal).await,
            Whole::NothingRefused => pipeline::nothing_refused(self).await,
            Whole::DocumentedMetrics => documented::metrics(self).await,
            Whole::NoUndocumentedMetric => documented::no_other_metric(self).await,
            Whole::DocumentedSpans => documented::spans(self).await,
            Whole::DocumentedEvents => documented::events(self).await,
            Whole::Sockets(service) => Ok(self.sockets_of(service)),
        }
    }

    async fn ready(&self, component: Component) -> anyhow::Result<Look> {
        let place = match component {
            Component::Collector => {
                self.collector.ready().await?;
                self.collector.metrics_base().to_owned()
            }
            Component::Prometheus => {
                self.prometheus.ready().await?;
                self.prometheus.base().to_owned()
            }
            Component::Loki => {
                self.loki.ready().await?;
                self.loki.base().to_owned()
            }
            Component::Gateway => {
                self.driver.ready().await?;
                "ready, with all it depends on".to_owned()
            }
            Component::Tempo => match self.tempo() {
                Ok(tempo) => {
                    tempo.ready().await?;
                    tempo.base().to_owned()
                }
                Err(missing) => return Ok(missing),
            },
        };
        Ok(Look::Holds(place))
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
            Traces::Archive(_) => Err(Look::Missing("no tempo binary: TraceQL rows".to_owned())),
        }
    }

    /// The trace of one request of the drive, as far as it has arrived.
    pub async fn trace(&self, case: Case) -> anyhow::Result<Result<Arc<Trace>, Look>> {
        let Some(id) = self.driven.trace_id(case) else {
            return Ok(Err(Look::Broken(format!(
                "{case:?} answered without a trace id"
            ))));
        };
        match self.trace_by_id(id).await? {
            Some(trace) => Ok(Ok(trace)),
            None => Ok(Err(Look::NotYet(format!(
                "{} has no trace {id}",
                self.traces.describe()
            )))),
        }
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

    /// Every trace of the drive, the abandoned one included; `Err` names the first that is missing.
    pub async fn all_traces(&self) -> anyhow::Result<Result<Vec<Arc<Trace>>, Look>> {
        let mut found = Vec::new();
        let abandoned = self.abandoned().await?;
        let Some(abandoned) = abandoned else {
            return Ok(Err(Look::NotYet(
                "the abandoned request's trace is not found by its link".to_owned(),
            )));
        };
        for id in self
            .driven
            .trace_ids()
            .into_iter()
            .chain([abandoned.as_str()])
        {
            match self.trace_by_id(id).await? {
                Some(trace) => found.push(trace),
                None => return Ok(Err(Look::NotYet(format!("trace {id} has not arrived")))),
            }
        }
        Ok(Ok(found))
    }

    /// The id of the abandoned request's trace, found by the trace it links to.
    pub async fn abandoned(&self) -> anyhow::Result<Option<String>> {
        let linked = self
            .traces
            .linked_to(&self.driven.abandoned_trace, self.driven.started)
            .await?;
        Ok(linked.into_iter().next())
    }

    fn response(&self, case: Case, holds: Response) -> Look {
        let Some(answer) = self.driven.answer(case) else {
            return Look::Broken("was not sent: an earlier answer it needs is missing".to_owned());
        };
        match judge_response(answer, holds) {
            Ok(evidence) => Look::Holds(evidence),
            Err(state) => Look::Broken(state),
        }
    }

    fn traceresponse_everywhere(&self) -> Look {
        let answered = || {
            self.driven
                .answers
                .iter()
                .filter(|answer| answer.status != 0)
        };
        match answered().find(|answer| answer.trace_id().is_none()) {
            Some(answer) => Look::Broken(format!(
                "{:?} ({}) answered traceresponse {:?}",
                answer.case, answer.status, answer.traceresponse
            )),
            None => Look::Holds(format!("{} responses", answered().count())),
        }
    }

    fn same_order(&self) -> Look {
        let order = |case| {
            self.driven
                .answer(case)
                .map(|answer| &answer.body["order_id"])
        };
        match (order(Case::Order), order(Case::Repeated)) {
            (Some(first), Some(second)) if first == second && first.is_string() => {
                Look::Holds(first.to_string())
            }
            (first, second) => Look::Broken(format!("{first:?} and {second:?}")),
        }
    }

    fn sockets_of(&self, service: &str) -> Look {
        match self
            .allowed
            .iter()
            .find(|allowed| allowed.service == service)
        {
            None => Look::Missing(format!(
                "no process of {service} on this machine: socket rows"
            )),
            Some(allowed) => match self.sockets.judge(allowed) {
                Ok(evidence) => Look::Holds(evidence),
                Err(state) => Look::Broken(state),
            },
        }
    }
}

fn judge_response(answer: &Answer, holds: Response) -> Result<String, String> {
    let (Response::Status(expected) | Response::Problem(expected)) = holds;
    if answer.status != expected {
        return Err(format!(
            "answered {} after {:?}: {}",
            answer.status, answer.took, answer.body
        ));
    }
    if let Response::Problem(_) = holds {
        if answer.content_type != "application/problem+json" {
            return Err(format!("is {:?} instead of a problem", answer.content_type));
        }
        let (said, sent) = (answer.body["trace_id"].as_str(), answer.trace_id());
        if said.is_none() || said != sent {
            return Err(format!(
                "the problem says trace {said:?}, traceresponse {sent:?}"
            ));
        }
    }
    Ok(format!(
        "{:.0} ms, trace {}",
        answer.took.as_secs_f64() * 1e3,
        answer.trace_id().unwrap_or("none")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::sample::answer;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn another_status_fails_with_the_body() {
        let state =
            judge_response(&answer(Case::Order, 502, ID), Response::Status(201)).unwrap_err();
        assert!(
            state.contains("answered 502") && state.contains("order_id"),
            "{state}"
        );
    }

    #[test]
    fn a_problem_must_carry_the_trace_id_of_its_response() {
        let mut problem = answer(Case::Unrouted, 404, ID);
        problem.content_type = "application/problem+json".to_owned();
        assert!(judge_response(&problem, Response::Problem(404)).is_ok());
        problem.body["trace_id"] = "another".into();
        assert!(judge_response(&problem, Response::Problem(404)).is_err());
    }

    #[test]
    fn plain_json_is_no_problem_document() {
        assert!(judge_response(&answer(Case::Unrouted, 404, ID), Response::Problem(404)).is_err());
    }
}
