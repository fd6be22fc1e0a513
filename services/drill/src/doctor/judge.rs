//! From the facts to the first hop of each chain that does not hold, and what to do about it.
//!
//! A chain begins where the one it comes from has ended well: without an answer of the gateway nothing can be said about
//! spans, and without a Collector nothing about Loki.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use verify::backend::LogLine;
use verify::trace::{Span, Trace};

use super::facts::{Facts, SERVICES, Signal};
use crate::place::Place;

/// Clocks of one machine agree to the microsecond; what is told in spans is a request of milliseconds.
const SKEW: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct Chain {
    pub name: &'static str,
    pub hops: Vec<Hop>,
}

#[derive(Clone, Debug)]
pub struct Hop {
    pub name: String,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// With the evidence.
    Holds(String),
    Broken {
        seen: String,
        remedy: String,
    },
    /// Something before it is broken.
    NotJudged,
}

/// The evidence, or what was seen instead and the remedy.
type Verdict = Result<String, (String, String)>;

struct Judge<'a> {
    facts: &'a Facts,
    place: &'a Place,
}

// === impl Chain ===

impl Chain {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            hops: Vec::new(),
        }
    }

    pub fn is_broken(&self) -> bool {
        let is_bad = |hop: &Hop| matches!(hop.state, State::Broken { .. });
        self.hops.iter().any(is_bad)
    }

    fn hop(&mut self, name: impl Into<String>, verdict: impl FnOnce() -> Verdict) {
        let state = match self.is_broken() {
            true => State::NotJudged,
            false => match verdict() {
                Ok(evidence) => State::Holds(evidence),
                Err((seen, remedy)) => State::Broken { seen, remedy },
            },
        };
        self.hops.push(Hop {
            name: name.into(),
            state,
        });
    }
}

/// All chains; those after a broken one that they come from are left out.
pub fn judge(facts: &Facts, place: &Place) -> Vec<Chain> {
    let judge = Judge { facts, place };
    let shop = judge.shop();
    if shop.is_broken() {
        return vec![shop];
    }
    let collector = judge.collector();
    let files = judge.files();
    if collector.is_broken() {
        return vec![shop, collector, files];
    }
    vec![
        shop,
        collector,
        judge.traces(),
        judge.logs(),
        judge.metrics(),
        files,
    ]
}

// === impl Judge ===

impl Judge<'_> {
    fn shop(&self) -> Chain {
        let mut chain = Chain::new("shop");
        for service in SERVICES {
            chain.hop(format!("{service} runs"), || self.runs(service, "run"));
        }
        chain.hop("gateway takes an order", || {
            let remedy = |id: &str| self.place.trace(id);
            match &self.facts.order {
                Err(seen) => Err((seen.clone(), self.place.command("logs gateway"))),
                Ok(answer) if answer.status == 201 => Ok(format!(
                    "201 in {:.0} ms, trace {}",
                    answer.took.as_secs_f64() * 1e3,
                    answer.trace_id
                )),
                Ok(answer) => Err((
                    format!("it answered {}: {}", answer.status, answer.detail()),
                    remedy(&answer.trace_id),
                )),
            }
        });
        chain
    }

    fn collector(&self) -> Chain {
        let mut chain = Chain::new("services to Collector");
        chain.hop("otel-collector runs", || {
            let evidence = self.runs("otel-collector", "up")?;
            match &self.facts.flow {
                Ok(_) => Ok(evidence),
                Err(seen) => Err((seen.clone(), self.place.command("logs otel-collector"))),
            }
        });
        let strangers = self.strangers();
        for service in SERVICES {
            chain.hop(format!("{service} says its name"), || {
                let told = &self.facts.settings;
                let named = told
                    .get(service)
                    .and_then(|all| all.get("OTEL_SERVICE_NAME"));
                match (self.seen_at(service).is_empty(), strangers.first()) {
                    (true, Some(stranger)) if named.is_none_or(|name| name == stranger) => Err((
                        format!(
                            "nothing comes from {service:?}, but spans or metrics from {stranger:?}"
                        ),
                        format!("unset OTEL_SERVICE_NAME, then {}", self.again()),
                    )),
                    _ => Ok(String::new()),
                }
            });
        }
        for service in SERVICES {
            chain.hop(format!("{service} → otel-collector"), || {
                self.exports(service)
            });
        }
        chain.hop("the clocks agree", || self.clocks());
        chain
    }

    fn traces(&self) -> Chain {
        let mut chain = Chain::new("traces");
        self.accepts(&mut chain, Signal::Traces);
        let store = match self.facts.is_archived {
            true => "archive",
            false => {
                chain.hop("tempo runs", || self.runs("tempo", "up"));
                "tempo"
            }
        };
        self.sends(&mut chain, Signal::Traces, store);
        chain.hop(format!("{store} has the trace"), || {
            match &self.facts.trace {
                Ok(Some(trace)) => whole(trace),
                Ok(None) => Err("it has no span of it".to_owned()),
                Err(seen) => Err(seen.clone()),
            }
            .map_err(|seen| (seen, self.logs_of(&[store, "otel-collector"])))
        });
        self.link(&mut chain, "trace");
        chain
    }

    fn logs(&self) -> Chain {
        let mut chain = Chain::new("logs over OTLP");
        self.accepts(&mut chain, Signal::Logs);
        chain.hop("loki runs", || self.runs("loki", "up"));
        self.sends(&mut chain, Signal::Logs, "loki");
        chain.hop("loki has the lines", || {
            let lines = self
                .lines()
                .map_err(|seen| (seen, self.logs_of(&["loki"])))?;
            match lines.iter().filter(|line| !is_of_file(line)).count() {
                0 => Err((
                    "no line of the order".to_owned(),
                    self.logs_of(&["loki", "otel-collector"]),
                )),
                count => Ok(format!("{count} lines")),
            }
        });
        chain.hop("the lines have lane=otlp", || {
            let lines = self.lines().unwrap_or_default();
            let mut otlp = lines.iter().filter(|line| !is_of_file(line));
            match otlp.find(|line| line.label("lane") != "otlp") {
                Some(line) => Err((
                    format!("the labels are {:?}", line.labels),
                    self.put_right("the processor `transform/lane` of pipeline `logs`"),
                )),
                None => Ok(String::new()),
            }
        });
        self.link(&mut chain, "logs");
        chain
    }

    fn metrics(&self) -> Chain {
        let mut chain = Chain::new("metrics");
        self.accepts(&mut chain, Signal::Metrics);
        chain.hop("prometheus runs", || self.runs("prometheus", "up"));
        self.sends(&mut chain, Signal::Metrics, "prometheus");
        chain.hop("prometheus has newer points of each service", || {
            let newest = self.facts.newest.as_ref();
            let newest = newest.map_err(|seen| (seen.clone(), self.logs_of(&["prometheus"])))?;
            let began = self.began();
            let is_old = |service: &&&str| newest.get(**service).is_none_or(|at| *at < began);
            match SERVICES.iter().find(is_old) {
                Some(service) => Err((
                    match newest.get(*service) {
                        Some(at) => format!(
                            "the newest of {service} is {:.1} s older than the order",
                            began - at
                        ),
                        None => format!("none of {service}"),
                    },
                    self.logs_of(&["otel-collector", "prometheus"]),
                )),
                None => Ok("all four newer than the order".to_owned()),
            }
        });
        self.link(&mut chain, "metrics");
        chain
    }

    fn files(&self) -> Chain {
        let mut chain = Chain::new("logs by files");
        chain.hop("order writes its file", || match self.facts.is_in_file {
            Some(true) => Ok("rust_app_order.log".to_owned()),
            None => Ok("its file cannot be read from here".to_owned()),
            Some(false) => Err((
                "rust_app_order.log has no line of the order".to_owned(),
                format!("df -h $SHOP_LOG_DIR; {}", self.place.command("logs order")),
            )),
        });
        chain.hop("promtail runs", || self.runs("promtail", "up"));
        chain.hop("loki takes lines", || self.runs("loki", "up"));
        chain.hop("promtail → loki", || {
            let remedy = || self.logs_of(&["promtail"]);
            let lines = self.lines().map_err(|seen| (seen, remedy()))?;
            match lines.iter().filter(|line| is_of_file(line)).count() {
                0 => Err((
                    r#"no line of the order with job="rust_app_logs""#.to_owned(),
                    remedy(),
                )),
                count => Ok(format!("{count} lines")),
            }
        });
        chain
    }

    fn runs(&self, name: &str, recipe: &str) -> Verdict {
        match self.facts.components.get(name) {
            Some(running) if running.is_ready => Ok(running.note.clone()),
            Some(running) if running.note.starts_with("not ready") => Err((
                running.note.clone(),
                self.place.command(&format!("logs {name}")),
            )),
            Some(running) => Err((running.note.clone(), self.place.command(recipe))),
            None => Err(("it is unknown here".to_owned(), self.place.command(recipe))),
        }
    }

    /// Where something of a service arrived since the order: that one is enough, the branches are judged for themselves.
    fn seen_at(&self, service: &str) -> Vec<&'static str> {
        let facts = self.facts;
        let in_trace = |trace: &Trace| trace.spans.iter().any(|span| span.service() == service);
        let in_lines = |lines: &Vec<LogLine>| {
            let mut otlp = lines.iter().filter(|line| !is_of_file(line));
            otlp.any(|line| line.label("service_name") == service)
        };
        let is_new = |newest: &BTreeMap<String, f64>| {
            newest.get(service).is_some_and(|at| *at >= self.began())
        };
        let seen = [
            (
                "a span",
                matches!(&facts.trace, Ok(Some(trace)) if in_trace(trace)),
            ),
            ("a log line", facts.lines.as_ref().is_ok_and(in_lines)),
            ("a metric", facts.newest.as_ref().is_ok_and(is_new)),
        ];
        let seen = seen.into_iter().filter(|(_, is_there)| *is_there);
        seen.map(|(what, _)| what).collect()
    }

    fn exports(&self, service: &str) -> Verdict {
        let seen = self.seen_at(service);
        if !seen.is_empty() {
            return Ok(format!("{} since the order", seen.join(", ")));
        }
        let moved = |flow: &super::Flow| flow.accepted > 0.0;
        let is_fed = self.facts.flow.iter().flat_map(BTreeMap::values).any(moved);
        // Spans and metrics come from each of the four; lines only from some.
        let others = SERVICES.iter().filter(|other| **other != service);
        let is_told = others
            .flat_map(|other| self.seen_at(other))
            .any(|what| what != "a log line");
        if is_fed && !is_told {
            return Ok("unknown: no backend shows any service".to_owned());
        }
        let mut seen = "no span, log line or metric since the order".to_owned();
        let mut remedy = self.place.command(&format!("logs {service}"));
        let settings = self.facts.settings.get(service);
        if let Some(endpoint) = settings.and_then(|all| all.get(ENDPOINT))
            && *endpoint != self.facts.otlp
            // In containers the Collector goes by its name.
            && !endpoint.starts_with("http://otel-collector:")
        {
            seen = format!(
                "{seen}; it sends to {endpoint}, the Collector listens on {}",
                self.facts.otlp
            );
            remedy = format!("unset {ENDPOINT}, then {}", self.again());
        }
        Err((seen, remedy))
    }

    /// Names that send spans of this trace or new metrics, and are none of the four.
    fn strangers(&self) -> Vec<String> {
        let spans = self
            .facts
            .trace
            .iter()
            .flatten()
            .flat_map(|trace| &trace.spans);
        let points = self.facts.newest.iter().flatten();
        let new = points.filter(|(_, at)| **at >= self.began());
        let names: BTreeSet<&str> = spans
            .map(Span::service)
            .chain(new.map(|(name, _)| name.as_str()))
            .filter(|name| !SERVICES.contains(name))
            .collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Every span of the order lies within its request, give or take.
    fn clocks(&self) -> Verdict {
        let (Ok(Some(trace)), Ok(answer)) = (&self.facts.trace, &self.facts.order) else {
            return Ok("unknown: there is no trace to compare".to_owned());
        };
        let from = answer.began - SKEW;
        let until = answer.began + answer.took + SKEW;
        let at = |span: &Span| SystemTime::UNIX_EPOCH + Duration::from_nanos(span.start);
        match trace
            .spans
            .iter()
            .find(|span| !(from..=until).contains(&at(span)))
        {
            None => Ok("all spans lie within the request".to_owned()),
            Some(span) => {
                let distance = match at(span).duration_since(answer.began) {
                    Ok(ahead) => format!("{:.0} s ahead", ahead.as_secs_f64()),
                    Err(behind) => format!("{:.0} s behind", behind.duration().as_secs_f64()),
                };
                Err((
                    format!("the clock of {} is {distance}", span.service()),
                    "timedatectl set-ntp true".to_owned(),
                ))
            }
        }
    }

    fn accepts(&self, chain: &mut Chain, signal: Signal) {
        let what = signal.items().replace('_', " ");
        chain.hop(format!("otel-collector accepts {what}"), || {
            let flow = self.flow(signal);
            match flow.accepted > 0.0 {
                true => Ok(format!("{} since the order", flow.accepted)),
                false => Err((
                    format!("none since the order, which should have made {what}"),
                    self.logs_of(&["otel-collector"]),
                )),
            }
        });
    }

    fn sends(&self, chain: &mut Chain, signal: Signal, store: &str) {
        chain.hop(format!("otel-collector → {store}"), || {
            let flow = self.flow(signal);
            let exporter = signal.exporter();
            match flow.sent > 0.0 {
                true => Ok(format!("{} sent since the order", flow.sent)),
                false => Err((
                    format!(
                        "{exporter} sent nothing since the order: {} waiting, {} failed",
                        flow.queued, flow.failed
                    ),
                    self.put_right(&format!("the address of exporter `{exporter}`")),
                )),
            }
        });
    }

    fn link(&self, chain: &mut Chain, kind: &str) {
        chain.hop(format!("the link to the {kind} opens"), || {
            match self.facts.links.get(kind) {
                Some(Ok(link)) => Ok(link.clone()),
                Some(Err(seen)) => Err((seen.clone(), self.place.command("logs gateway"))),
                None if kind == "trace" && self.facts.is_archived => {
                    Ok("no page shows it without Tempo; `just trace ID` does".to_owned())
                }
                None => Err((
                    "the scenario page has none".to_owned(),
                    self.place.command("logs gateway"),
                )),
            }
        });
    }

    fn lines(&self) -> Result<&[LogLine], String> {
        let lines = self.facts.lines.as_ref();
        lines.map(Vec::as_slice).map_err(Clone::clone)
    }

    fn flow(&self, signal: Signal) -> super::Flow {
        let flows = self.facts.flow.as_ref().ok();
        flows
            .and_then(|flows| flows.get(&signal).copied())
            .unwrap_or_default()
    }

    fn began(&self) -> f64 {
        let began = self.facts.order.as_ref().ok().map(|answer| answer.began);
        let since = began.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.unwrap_or_default().as_secs_f64()
    }

    fn logs_of(&self, names: &[&str]) -> String {
        // The archive is a part of the Collector.
        let mut names = names.iter().filter(|name| **name != "archive");
        let first = names.next().unwrap_or(&"otel-collector");
        self.place.command(&format!("logs {first}"))
    }

    fn again(&self) -> String {
        format!(
            "{} && {}",
            self.place.command("stop"),
            self.place.command("run")
        )
    }

    fn put_right(&self, what: &str) -> String {
        format!(
            "{}; put {what} in collector/config.yaml right, then {} && {}",
            self.place.command("logs otel-collector"),
            self.place.command("down"),
            self.place.command("run")
        )
    }
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

fn is_of_file(line: &LogLine) -> bool {
    line.label("job") == "rust_app_logs"
}

/// A part of each service, in one tree.
fn whole(trace: &Trace) -> Result<String, String> {
    let services: BTreeSet<&str> = trace.services();
    match SERVICES
        .iter()
        .find(|service| !services.contains(**service))
    {
        Some(missing) => Err(format!("it has no span of {missing}")),
        None => Ok(format!("{} spans of four services", trace.spans.len())),
    }
}
