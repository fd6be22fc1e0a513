//! The figures of a run, as text and as JSON.

use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value, json};

use crate::mix::ROUTES;
use crate::plan::{Amount, Plan};
use crate::tally::{Counts, Sample, Tally, Times, milliseconds};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
/// A p99 of the generator's lateness that makes its figures doubtful: a hundred times what it is on a machine with a free CPU.
const LATE_MS: f64 = 10.0;

#[derive(Debug)]
pub struct Report<'a> {
    pub plan: &'a Plan,
    pub tally: &'a Tally,
    /// As it was typed.
    pub command: String,
    /// Why the run has failed; empty if it has not.
    pub reasons: Vec<String>,
    total: Counts,
}

impl<'a> Report<'a> {
    /// `max_error_ratio` is of unexpected answers to all answers, and of shed arrivals to all arrivals.
    #[must_use]
    pub fn new(plan: &'a Plan, tally: &'a Tally, command: String, max_error_ratio: f64) -> Self {
        let total = tally.total();
        Self {
            reasons: reasons(plan, tally, &total, max_error_ratio),
            plan,
            tally,
            command,
            total,
        }
    }

    /// Times are in milliseconds, rates per second. `latency_ms` counts from the intended start to the last byte, timeouts
    /// included; `lateness_ms` is how much later than due the generator began to send, and part of every latency.
    #[must_use]
    pub fn json(&self) -> Value {
        let Self { plan, tally, .. } = self;
        let (duration, orders) = match plan.amount {
            Amount::For(duration) => (Some(duration.as_secs_f64()), None),
            Amount::Sent(orders) => (None, Some(orders)),
        };
        let named = |name: &str, counts: &Counts| {
            let mut figures = figures(counts, tally.time.as_secs_f64());
            figures.insert("name".to_owned(), name.into());
            figures
        };
        let routes = self.routes().map(|(name, counts)| named(name, counts));
        json!({
            "origin": {
                "command": self.command,
                "version": env!("CARGO_PKG_VERSION"),
                "build": if cfg!(debug_assertions) { "debug" } else { "release" },
                "cpus": std::thread::available_parallelism().map_or(0, usize::from),
                "ended": humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            },
            "plan": {
                "gateway": format!("http://{}", plan.gateway),
                "rate": plan.rate,
                "warm_up_seconds": plan.warm_up.as_secs_f64(),
                "duration_seconds": duration,
                "orders": orders,
                "mix": plan.mix.weights().collect::<std::collections::BTreeMap<_, _>>(),
                "scenario": plan.scenario,
                "in_flight": plan.in_flight,
                "timeout_seconds": plan.timeout.as_secs_f64(),
                "seed": plan.seed,
            },
            "is_complete": tally.is_complete,
            "seconds": tally.time.as_secs_f64(),
            "warm_up": figures(&tally.warm_up, plan.warm_up.as_secs_f64()),
            "routes": routes.collect::<Vec<_>>(),
            "total": named("total", &self.total),
            "lateness_ms": percentiles(&tally.lateness),
            "most_in_flight": tally.most_in_flight,
            "verdict": { "is_ok": self.reasons.is_empty(), "reasons": self.reasons },
        })
    }

    /// Those that had an arrival, in the order of the table of routes.
    fn routes(&self) -> impl Iterator<Item = (&'static str, &Counts)> {
        let routes = ROUTES.iter().map(|row| row.name).zip(&self.tally.routes);
        routes.filter(|(_, counts)| counts.arrivals() > 0)
    }
}

fn figures(counts: &Counts, seconds: f64) -> Map<String, Value> {
    let failures = counts.failures.iter();
    let failures: Map<_, _> = failures
        .map(|(failure, count)| (failure.name().to_owned(), (*count).into()))
        .collect();
    Map::from_iter(
        [
            ("arrivals", counts.arrivals().into()),
            ("shed", counts.shed().into()),
            ("answered", counts.answered().into()),
            ("failed", counts.failed().into()),
            ("rate", (counts.answered() as f64 / seconds).into()),
            ("statuses", json!(counts.statuses)),
            ("failures", failures.into()),
            ("unexpected", counts.unexpected.into()),
            ("latency_ms", percentiles(&counts.latency)),
            ("slowest", sample(counts.slowest.as_ref())),
            ("first_unexpected", sample(counts.first_unexpected.as_ref())),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    )
}

fn percentiles(times: &Times) -> Value {
    json!({
        "count": times.count(),
        "p50": times.percentile(50.0),
        "p90": times.percentile(90.0),
        "p99": times.percentile(99.0),
        "p99.9": times.percentile(99.9),
        "max": times.max(),
    })
}

fn sample(sample: Option<&Sample>) -> Value {
    let sample = sample.map(|it| json!({"latency_ms": milliseconds(it.latency), "status": it.status, "trace_id": it.trace_id}));
    sample.unwrap_or_default()
}

fn reasons(plan: &Plan, tally: &Tally, total: &Counts, max_error_ratio: f64) -> Vec<String> {
    let mut reasons = Vec::new();
    let failed = tally.warm_up.failed() + total.failed();
    if failed > 0 {
        reasons.push(format!("{failed} requests failed in transport"));
    }
    let mut limit = |count: u64, of: u64, words: &str, which: &str| {
        let ratio = count as f64 / of.max(1) as f64;
        if ratio > max_error_ratio {
            reasons.push(format!(
                "{count} of {of} {words} {which} ({ratio:.4} of them, allowed are {max_error_ratio})"
            ));
        }
    };
    let answered = total.answered();
    limit(total.unexpected, answered, "answers were", "unexpected");
    match plan.amount {
        Amount::For(_) => limit(total.shed(), total.arrivals(), "arrivals were", "shed"),
        // Others came in place of those that were shed.
        Amount::Sent(wanted) => {
            let placed = total.statuses.get(&201).copied().unwrap_or(0);
            if placed != wanted {
                reasons.push(format!("{placed} of {wanted} orders were placed"));
            }
        }
    }
    if answered == 0 && tally.is_complete {
        reasons.push("nothing was answered".to_owned());
    }
    reasons
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            plan, tally, total, ..
        } = self;
        writeln!(
            f,
            "http://{}: {} arrivals/s, mix {}, seed {}; figures of {:.1} s after {} arrivals of warm-up",
            plan.gateway,
            plan.rate,
            plan.mix,
            plan.seed,
            tally.time.as_secs_f64(),
            tally.warm_up.arrivals()
        )?;
        writeln!(f, "$ {}\n", self.command)?;
        writeln!(
            f,
            "route           arrivals   shed answered    2xx    4xx    5xx failed │   p50 ms      p90      p99    p99.9      max"
        )?;
        for (name, counts) in self.routes().chain([("total", total)]) {
            row(f, name, counts)?;
        }
        let late = &tally.lateness;
        writeln!(
            f,
            "\nthe generator's own lateness: p50 {} ms, p99 {}, max {}; at most {} in flight",
            number(late.percentile(50.0)),
            number(late.percentile(99.0)),
            number(late.max()),
            tally.most_in_flight
        )?;
        let notes = [
            (
                late.percentile(99.0).is_some_and(|p99| p99 > LATE_MS),
                "the machine was too busy for the generator: every latency includes how late it was",
            ),
            (
                total.shed() > 0,
                "arrivals that found too many requests unanswered were shed: the percentiles leave them out and are too low",
            ),
            (
                total.statuses.contains_key(&409),
                "409: a product is sold out (`just down --volumes` resets the stock)",
            ),
            (
                !tally.is_complete,
                "ended early; the figures are of what was done until then",
            ),
        ];
        for (_, note) in notes.iter().filter(|(is_shown, _)| *is_shown) {
            writeln!(f, "note: {note}")?;
        }
        for (name, counts) in self.routes() {
            let samples = [
                ("slowest", &counts.slowest),
                ("unexpected", &counts.first_unexpected),
            ];
            for (word, sample) in samples {
                if let Some(sample) = sample {
                    let id = sample.trace_id.as_deref().unwrap_or("(without a trace ID)");
                    let latency = number(Some(milliseconds(sample.latency)));
                    let status = sample.status;
                    writeln!(
                        f,
                        "{word:<10} {name:<15} {status} after {latency:>8} ms   just trace {id}"
                    )?;
                }
            }
        }
        match self.reasons.is_empty() {
            true => writeln!(f, "\n{GOOD}ok{GOOD:#}"),
            false => writeln!(f, "\n{BAD}FAIL{BAD:#} {}", self.reasons.join("; ")),
        }
    }
}

fn row(f: &mut Formatter<'_>, name: &str, counts: &Counts) -> fmt::Result {
    let latency = &counts.latency;
    writeln!(
        f,
        "{name:<15} {:>8} {:>6} {:>8} {:>6} {:>6} {:>6} {:>6} │ {:>8} {:>8} {:>8} {:>8} {:>8}",
        counts.arrivals(),
        counts.shed(),
        counts.answered(),
        counts.class(2),
        counts.class(4),
        counts.class(5),
        counts.failed(),
        number(latency.percentile(50.0)),
        number(latency.percentile(90.0)),
        number(latency.percentile(99.0)),
        number(latency.percentile(99.9)),
        number(latency.max())
    )
}

/// Three digits of which one is behind the point, if that says anything.
fn number(milliseconds: Option<f64>) -> String {
    match milliseconds {
        None => "-".to_owned(),
        Some(small) if small < 10.0 => format!("{small:.2}"),
        Some(middle) if middle < 1_000.0 => format!("{middle:.1}"),
        Some(large) => format!("{large:.0}"),
    }
}
