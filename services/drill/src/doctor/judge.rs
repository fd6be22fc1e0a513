//! From the facts to the first broken hop of each chain, and its remedy. The chains are data: `doctor.yaml`.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use serde::Deserialize;
use verify::backend::LogLine;
use verify::trace::{Span, Trace};

use super::facts::{Facts, Flow, SERVICES, Signal};
use crate::place::Place;

/// Clocks of one machine agree to the microsecond; the request takes milliseconds.
const SKEW: Duration = Duration::from_secs(5);
const CHAINS: &str = include_str!("../../doctor.yaml");
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const SERVICE: &str = "{service}";

#[derive(Clone, Debug)]
pub struct Chain {
    pub name: String,
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
    /// A hop before it is broken.
    NotJudged,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainPlan {
    chain: String,
    #[serde(default)]
    after: Vec<String>,
    hops: Vec<HopPlan>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct HopPlan {
    name: String,
    check: Check,
    #[serde(default)]
    of: String,
    remedy: String,
    needs: Option<String>,
    without: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Check {
    Runs,
    Order,
    Name,
    Exports,
    Clocks,
    Sampled,
    Accepts,
    Sends,
    Trace,
    Lines,
    Lane,
    Newest,
    Link,
    File,
    FileLines,
}

/// The evidence, or what was seen instead.
type Verdict = Result<String, String>;

// === impl Chain ===

impl Chain {
    pub fn is_broken(&self) -> bool {
        let is_bad = |hop: &Hop| matches!(hop.state, State::Broken { .. });
        self.hops.iter().any(is_bad)
    }
}

/// All chains that can be judged.
pub fn judge(facts: &Facts, place: &Place) -> anyhow::Result<Vec<Chain>> {
    let plans: Vec<ChainPlan> = yaml_serde::from_str(CHAINS).context("doctor.yaml")?;
    let mut chains: Vec<Chain> = Vec::new();
    for plan in plans {
        let holds = |name: &String| {
            chains
                .iter()
                .any(|one| one.name == *name && !one.is_broken())
        };
        if !plan.after.iter().all(holds) {
            continue;
        }
        let mut chain = Chain {
            name: plan.chain,
            hops: Vec::new(),
        };
        for hop in plan.hops.iter().flat_map(HopPlan::of_services) {
            let is_part = |name: &String| facts.parts.contains(name);
            if hop.needs.as_ref().is_none_or(is_part) && !hop.without.as_ref().is_some_and(is_part)
            {
                let state = match chain.is_broken() {
                    true => State::NotJudged,
                    false => hop.judge(facts, place),
                };
                let name = hop.name;
                chain.hops.push(Hop { name, state });
            }
        }
        chains.push(chain);
    }
    Ok(chains)
}

// === impl HopPlan ===

impl HopPlan {
    fn of_services(&self) -> Vec<Self> {
        let of = |service| Self {
            name: self.name.replace(SERVICE, service),
            of: self.of.replace(SERVICE, service),
            remedy: self.remedy.replace(SERVICE, service),
            ..self.clone()
        };
        match self.name.contains(SERVICE) {
            true => SERVICES.map(of).into(),
            false => vec![self.clone()],
        }
    }

    fn judge(&self, facts: &Facts, place: &Place) -> State {
        let verdict = match self.check {
            Check::Runs => facts.runs(&self.of),
            Check::Order => facts.takes_an_order(),
            Check::Name => facts.says_its_name(&self.of),
            Check::Exports => facts.exports(&self.of),
            Check::Clocks => facts.clocks_agree(),
            Check::Sampled => facts.is_sampled(),
            Check::Accepts => facts.accepts(&self.of),
            Check::Sends => facts.sends(&self.of),
            Check::Trace => facts.has_trace(),
            Check::Lines => facts.count_lines(|line| !is_of_file(line)),
            Check::Lane => facts.has_lane(),
            Check::Newest => facts.has_newer_points(),
            Check::Link => facts.opens(&self.of),
            Check::File => facts.writes_its_file(),
            Check::FileLines => facts.count_lines(is_of_file),
        };
        match verdict {
            Ok(evidence) => State::Holds(evidence),
            Err(seen) => State::Broken {
                remedy: remedy(&self.remedy, place),
                seen,
            },
        }
    }
}

/// Replaces `{just RECIPE}`.
fn remedy(text: &str, place: &Place) -> String {
    let mut parts = text.split("{just ");
    let mut remedy = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (recipe, rest) = part.split_once('}').unwrap_or((part, ""));
        remedy.push_str(&place.command(recipe));
        remedy.push_str(rest);
    }
    remedy
}

// === impl Facts ===

impl Facts {
    fn runs(&self, name: &str) -> Verdict {
        let running = self.components.get(name).ok_or("it is unknown here")?;
        match running.is_ready {
            true => Ok(running.note.clone()),
            false => Err(running.note.clone()),
        }
    }

    fn takes_an_order(&self) -> Verdict {
        let answer = self.order.as_ref().map_err(Clone::clone)?;
        let (status, id) = (answer.status, &answer.trace_id);
        match status {
            201 => Ok(format!(
                "201 in {:.0} ms, trace {id}",
                answer.took.as_secs_f64() * 1e3
            )),
            _ => Err(format!(
                "it answered {status}: {}, trace {id}",
                answer.detail()
            )),
        }
    }

    /// A service under another name is no service that sends nothing.
    fn says_its_name(&self, service: &str) -> Verdict {
        let name = self.setting(service, "OTEL_SERVICE_NAME");
        match self.stranger() {
            Some(stranger)
                if self.seen_of(service).is_empty()
                    && name.is_none_or(|name| name == &stranger) =>
            {
                Err(format!(
                    "no span or metric of {service:?}, but some of {stranger:?}"
                ))
            }
            _ => Ok(String::new()),
        }
    }

    fn exports(&self, service: &str) -> Verdict {
        let seen = self.seen_of(service);
        if !seen.is_empty() {
            return Ok(format!("{} since the order", seen.join(", ")));
        }
        // Spans and metrics come from each service, lines from some. If none arrived, a backend is to blame.
        let mut others = SERVICES.iter().flat_map(|other| self.seen_of(other));
        let is_fed = Signal::ALL
            .iter()
            .any(|signal| self.flow_of(*signal).accepted > 0.0);
        if is_fed && others.all(|signal| signal == "a log line") {
            return Ok("unknown: no backend shows any service".to_owned());
        }
        let seen = "no span, log line or metric since the order";
        Err(match self.setting(service, ENDPOINT) {
            // A container knows the Collector by its name.
            Some(endpoint)
                if endpoint != &self.otlp && !endpoint.starts_with("http://otel-collector:") =>
            {
                format!(
                    "{seen}; {ENDPOINT}={endpoint}, but the Collector listens on {}",
                    self.otlp
                )
            }
            _ => seen.to_owned(),
        })
    }

    /// Whether every span of the order lies within its request, plus or minus the skew.
    fn clocks_agree(&self) -> Verdict {
        let (Ok(Some(trace)), Ok(answer)) = (&self.trace, &self.order) else {
            return Ok("unknown: there is no trace to compare".to_owned());
        };
        let request = answer.began - SKEW..=answer.began + answer.took + SKEW;
        let at = |span: &Span| SystemTime::UNIX_EPOCH + Duration::from_nanos(span.start);
        let Some(span) = trace.spans.iter().find(|span| !request.contains(&at(span))) else {
            return Ok("all spans lie within the request".to_owned());
        };
        let distance = match at(span).duration_since(answer.began) {
            Ok(ahead) => format!("{:.0} s ahead", ahead.as_secs_f64()),
            Err(behind) => format!("{:.0} s behind", behind.duration().as_secs_f64()),
        };
        Err(format!("the clock of {} is {distance}", span.service()))
    }

    fn is_sampled(&self) -> Verdict {
        match &self.order {
            Ok(answer) if !answer.is_sampled => {
                Err("not sampled: OTEL_TRACES_SAMPLER leaves this trace out".to_owned())
            }
            _ => Ok(String::new()),
        }
    }

    fn accepts(&self, signal: &str) -> Verdict {
        let accepted = Signal::named(signal).map_or(0.0, |signal| self.flow_of(signal).accepted);
        match accepted > 0.0 {
            true => Ok(format!("{accepted} since the order")),
            false => Err("none since the order".to_owned()),
        }
    }

    fn sends(&self, signal: &str) -> Verdict {
        let signal = Signal::named(signal).ok_or("it is unknown here")?;
        let Flow {
            sent,
            queued,
            failed,
            ..
        } = self.flow_of(signal);
        let exporter = signal.exporter();
        match sent > 0.0 {
            true => Ok(format!("{sent} sent since the order")),
            false => Err(format!(
                "{exporter} sent nothing since the order: {queued} waiting, {failed} failed"
            )),
        }
    }

    fn has_trace(&self) -> Verdict {
        let trace = self.trace.as_ref().map_err(Clone::clone)?;
        let trace = trace.as_ref().ok_or("it has no span of it")?;
        let services = trace.services();
        match SERVICES
            .iter()
            .find(|service| !services.contains(**service))
        {
            Some(missing) => Err(format!("it has no span of {missing}")),
            None => Ok(format!("{} spans of four services", trace.spans.len())),
        }
    }

    fn count_lines(&self, wanted: fn(&LogLine) -> bool) -> Verdict {
        let lines = self.lines.as_ref().map_err(Clone::clone)?;
        match lines.iter().filter(|line| wanted(line)).count() {
            0 => Err("no line of the order".to_owned()),
            count => Ok(format!("{count} lines")),
        }
    }

    fn has_lane(&self) -> Verdict {
        let lines = self.lines.iter().flatten();
        let mut otlp = lines.filter(|line| !is_of_file(line));
        match otlp.find(|line| line.label("lane") != "otlp") {
            Some(line) => Err(format!("the labels are {:?}", line.labels)),
            None => Ok(String::new()),
        }
    }

    fn has_newer_points(&self) -> Verdict {
        let newest = self.newest.as_ref().map_err(Clone::clone)?;
        let is_old = |service: &&&str| newest.get(**service).is_none_or(|at| *at < self.began());
        let Some(service) = SERVICES.iter().find(is_old) else {
            return Ok("all four newer than the order".to_owned());
        };
        Err(match newest.get(*service).map(|at| self.began() - at) {
            Some(age) => format!("the newest of {service} is {age:.1} s older than the order"),
            None => format!("none of {service}"),
        })
    }

    fn opens(&self, kind: &str) -> Verdict {
        let link = self.links.get(kind).cloned();
        link.unwrap_or_else(|| Err("the scenario page has none".to_owned()))
    }

    fn writes_its_file(&self) -> Verdict {
        match self.is_in_file {
            Some(true) => Ok("rust_app_order.log".to_owned()),
            None => Ok("skipped: no process of order whose file can be read from here".to_owned()),
            Some(false) => Err("rust_app_order.log has no line of the order".to_owned()),
        }
    }

    /// What arrived of a service since the order. One signal is enough: each has a chain of its own.
    fn seen_of(&self, service: &str) -> Vec<&'static str> {
        let in_trace = |trace: &Trace| trace.spans.iter().any(|span| span.service() == service);
        let is_line = |line: &LogLine| !is_of_file(line) && line.label("service_name") == service;
        let newest = self.newest.as_ref().ok();
        let newest = newest.and_then(|newest| newest.get(service));
        let seen = [
            ("a span", self.trace.iter().flatten().any(in_trace)),
            ("a log line", self.lines.iter().flatten().any(is_line)),
            ("a metric", newest.is_some_and(|at| *at >= self.began())),
        ];
        let seen = seen.into_iter().filter(|(_, is_there)| *is_there);
        seen.map(|(signal, _)| signal).collect()
    }

    /// A service of this trace or with new metrics that is none of the four.
    fn stranger(&self) -> Option<String> {
        let traces = self.trace.iter().flatten();
        let spans = traces.flat_map(|trace| &trace.spans);
        let points = self.newest.iter().flatten();
        let new = points.filter(|(_, at)| **at >= self.began());
        let names = spans
            .map(|span| span.service())
            .chain(new.map(|(name, _)| name.as_str()));
        let names: BTreeSet<&str> = names.collect();
        let mut others = names.into_iter().filter(|name| !SERVICES.contains(name));
        others.next().map(str::to_owned)
    }

    fn setting(&self, service: &str, name: &str) -> Option<&String> {
        self.settings.get(service)?.get(name)
    }

    fn flow_of(&self, signal: Signal) -> Flow {
        let flows = self.flow.as_ref().ok();
        flows
            .and_then(|flows| flows.get(&signal).copied())
            .unwrap_or_default()
    }

    fn began(&self) -> f64 {
        let began = self.order.as_ref().ok().map(|answer| answer.began);
        let since = began.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.unwrap_or_default().as_secs_f64()
    }
}

fn is_of_file(line: &LogLine) -> bool {
    line.label("job") == "rust_app_logs"
}
