//! What a run was, in figures: one value, shown as text and as JSON.

mod origin;
mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use http::uri::Authority;
use serde::Serialize;

pub use self::origin::Origin;
use crate::drive::Run;
use crate::mix::{ROUTES, Row};
use crate::plan::{self, Amount, Plan};
use crate::tally::{Counts, Sample, Times, milliseconds};

/// Times are in milliseconds, rates per second.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub origin: Origin,
    pub plan: Planned,
    /// `false` if the run was stopped early.
    pub is_complete: bool,
    /// What the figures are of, without the warm-up.
    pub seconds: f64,
    pub warm_up: WarmUp,
    /// Those that had an arrival, in the order of the table of routes.
    pub routes: Vec<Figures>,
    pub total: Figures,
    /// How much later than due the generator itself began to send. It is part of every latency.
    pub lateness_ms: Percentiles,
    pub most_in_flight: usize,
    pub verdict: Verdict,
}

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Planned {
    pub gateway: String,
    pub rate: f64,
    pub warm_up_seconds: f64,
    /// One of this and `orders`.
    pub duration_seconds: Option<f64>,
    pub orders: Option<u64>,
    pub mix: BTreeMap<&'static str, u32>,
    pub in_flight: usize,
    pub timeout_seconds: f64,
    pub seed: u64,
}

/// Sent like the rest, and in no figure.
#[derive(Debug, Clone, Serialize)]
pub struct WarmUp {
    pub arrivals: u64,
    pub shed: u64,
    pub answered: u64,
    pub failed: u64,
}

/// The figures of one route, or of all.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    pub name: &'static str,
    /// What is asked.
    pub request: &'static str,
    /// `shed`, answered, and failed together; nothing else happens to an arrival.
    pub arrivals: u64,
    /// Arrivals that were not sent, because too many were in flight. No latency has them.
    pub shed: u64,
    pub answered: u64,
    /// Answers per second.
    pub rate: f64,
    pub classes: BTreeMap<String, u64>,
    pub statuses: BTreeMap<u16, u64>,
    /// Answers with a status that this route does not have when all is well.
    pub unexpected: u64,
    /// By kind: `connect`, `timeout`, `broken`, and `cut off` by an early end.
    pub failures: BTreeMap<&'static str, u64>,
    /// From the intended start to the last byte. Timeouts are in, with the moment of giving up.
    pub latency_ms: Percentiles,
    pub slowest: Option<Traced>,
    pub first_unexpected: Option<Traced>,
}

/// `None` where nothing was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Percentiles {
    pub count: u64,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    #[serde(rename = "p99.9")]
    pub p999: Option<f64>,
    pub max: Option<f64>,
}

/// A number's cause: `just trace ID` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Traced {
    pub latency_ms: f64,
    pub status: u16,
    pub trace_id: Option<String>,
}

/// Whether the shop did what was asked.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    pub is_ok: bool,
    /// Why not.
    pub reasons: Vec<String>,
}

impl Report {
    /// `max_error_ratio` is of unexpected answers to all answers, and of shed arrivals to all arrivals.
    #[must_use]
    pub fn new(
        origin: Origin,
        plan: &Plan,
        gateway: &Authority,
        run: &Run,
        max_error_ratio: f64,
    ) -> Self {
        let (duration, orders) = match plan.amount {
            Amount::For(duration) => (Some(duration.as_secs_f64()), None),
            Amount::Sent(orders) => (None, Some(orders)),
        };
        let warm_up = run.warm_up.total();
        let total = run.measured.total();
        let routes = ROUTES.iter().zip(&run.measured.routes);
        let routes = routes.filter(|(_, counts)| counts.arrivals > 0);
        Self {
            origin,
            plan: Planned {
                gateway: format!("http://{gateway}"),
                rate: plan.rate,
                warm_up_seconds: plan.warm_up.as_secs_f64(),
                duration_seconds: duration,
                orders,
                mix: plan.mix.weights().collect(),
                in_flight: plan.in_flight,
                timeout_seconds: plan.timeout.as_secs_f64(),
                seed: plan.seed,
            },
            is_complete: run.is_complete,
            seconds: run.time.as_secs_f64(),
            warm_up: WarmUp {
                arrivals: warm_up.arrivals,
                shed: warm_up.shed,
                answered: warm_up.answered(),
                failed: warm_up.failed(),
            },
            routes: routes
                .map(|(row, counts)| Figures::new(row, counts, run.time))
                .collect(),
            lateness_ms: Percentiles::new(&run.measured.lateness),
            most_in_flight: run.measured.most_in_flight,
            verdict: Verdict::new(run, &warm_up, &total, orders, max_error_ratio),
            total: Figures::new(&TOTAL, &total, run.time),
        }
    }
}

const TOTAL: Row = Row {
    name: "total",
    what: "all of them",
    ..ROUTES[0]
};

impl Figures {
    fn new(row: &Row, counts: &Counts, time: Duration) -> Self {
        let seconds = time.as_secs_f64();
        let answered = counts.answered();
        let class = |class: u16| (format!("{class}xx"), counts.class(class));
        let failures = counts.failures.iter();
        Self {
            name: row.name,
            request: row.what,
            arrivals: counts.arrivals,
            shed: counts.shed,
            answered,
            rate: if seconds > 0.0 {
                answered as f64 / seconds
            } else {
                0.0
            },
            classes: (1..=5).map(class).filter(|(_, count)| *count > 0).collect(),
            statuses: counts.statuses.clone(),
            unexpected: counts.unexpected,
            failures: failures
                .map(|(kind, count)| (kind.name(), *count))
                .collect(),
            latency_ms: Percentiles::new(&counts.latency),
            slowest: counts.slowest.as_ref().map(Traced::new),
            first_unexpected: counts.first_unexpected.as_ref().map(Traced::new),
        }
    }

    /// In transport, or cut off by an early end.
    fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    fn class(&self, class: &str) -> u64 {
        self.classes.get(class).copied().unwrap_or(0)
    }
}

impl Percentiles {
    fn new(times: &Times) -> Self {
        Self {
            count: times.count(),
            p50: times.percentile(50.0),
            p90: times.percentile(90.0),
            p99: times.percentile(99.0),
            p999: times.percentile(99.9),
            max: times.max(),
        }
    }
}

impl Traced {
    fn new(sample: &Sample) -> Self {
        Self {
            latency_ms: milliseconds(sample.latency),
            status: sample.status,
            trace_id: sample.trace_id.clone(),
        }
    }
}

impl Verdict {
    fn new(
        run: &Run,
        warm_up: &Counts,
        total: &Counts,
        orders: Option<u64>,
        max_error_ratio: f64,
    ) -> Self {
        let mut reasons = Vec::new();
        let failed = warm_up.failed() + total.failed();
        if failed > 0 {
            reasons.push(format!("{failed} requests failed in transport"));
        }
        let answered = total.answered();
        let ratio = total.unexpected as f64 / answered.max(1) as f64;
        if ratio > max_error_ratio {
            reasons.push(format!(
                "{} of {answered} answers were unexpected ({ratio:.4} of them, allowed are {max_error_ratio})",
                total.unexpected
            ));
        }
        // With so many orders to place, others came in place of those that were shed.
        let shed = total.shed as f64 / total.arrivals.max(1) as f64;
        if orders.is_none() && shed > max_error_ratio {
            reasons.push(format!(
                "{} of {} arrivals were shed ({shed:.4} of them, allowed are {max_error_ratio})",
                total.shed, total.arrivals
            ));
        }
        let placed = total.statuses.get(&201).copied().unwrap_or(0);
        if let Some(wanted) = orders.filter(|wanted| *wanted != placed) {
            reasons.push(format!("{placed} of {wanted} orders were placed"));
        }
        if answered == 0 && run.is_complete {
            reasons.push("nothing was answered".to_owned());
        }
        Self {
            is_ok: reasons.is_empty(),
            reasons,
        }
    }
}

/// As the options take it.
fn duration(seconds: f64) -> String {
    plan::text(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}
