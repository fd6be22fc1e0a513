//! The report for people: a table, then what stands out and where to look next.

use std::fmt::{self, Display, Formatter};

use anstyle::{AnsiColor, Style};

use super::{Figures, Percentiles, Report, Traced, duration};
use crate::mix::{ROUTES, Row};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// A p99 of the generator's lateness that makes its figures doubtful: a hundred times what it is on a machine with a free CPU.
const LATE_MS: f64 = 10.0;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.table(f)?;
        self.notes(f)?;
        self.samples(f)?;
        match self.verdict.is_ok {
            true => writeln!(f, "\n{GOOD}ok{GOOD:#}"),
            false => writeln!(f, "\n{BAD}FAIL{BAD:#} {}", self.verdict.reasons.join("; ")),
        }
    }
}

impl Report {
    fn head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        let amount = match (plan.orders, plan.duration_seconds) {
            (Some(orders), _) => format!("{orders} orders"),
            (None, seconds) => duration(seconds.unwrap_or_default()),
        };
        let weight = |row: &Row| Some(format!("{}={}", row.name, plan.mix.get(row.name)?));
        let mix: Vec<_> = ROUTES.iter().filter_map(weight).collect();
        writeln!(
            f,
            "{}: {} arrivals/s, {amount}, mix {}; figures of {:.1} s",
            plan.gateway,
            plan.rate,
            mix.join(","),
            self.seconds
        )?;
        if self.warm_up.arrivals > 0 {
            writeln!(
                f,
                "warm-up of {}, in no figure: {} arrivals, {} answered, {} shed, {} failed",
                duration(plan.warm_up_seconds),
                self.warm_up.arrivals,
                self.warm_up.answered,
                self.warm_up.shed,
                self.warm_up.failed
            )?;
        }
        let origin = &self.origin;
        writeln!(f, "{DIM}$ {}{DIM:#}", origin.command)?;
        writeln!(
            f,
            "{DIM}loadgen {} ({}), seed {}, Linux {}, {} CPUs, {}{DIM:#}\n",
            origin.version, origin.build, plan.seed, origin.kernel, origin.cpus, origin.started
        )
    }

    fn table(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<15} {:>8} {:>6} {:>8} {:>8} {:>7} {:>6} {:>6} {:>6} {:>6} │ {:>8} {:>8} {:>8} {:>8} {:>8}",
            "route",
            "arrivals",
            "shed",
            "answered",
            "per s",
            "2xx",
            "3xx",
            "4xx",
            "5xx",
            "failed",
            "p50 ms",
            "p90",
            "p99",
            "p99.9",
            "max"
        )?;
        for figures in self.routes.iter().chain([&self.total]) {
            row(f, figures)?;
        }
        writeln!(f)
    }

    fn notes(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let late = &self.lateness_ms;
        writeln!(
            f,
            "the generator's own lateness: p50 {} ms, p99 {}, max {}; at most {} in flight",
            number(late.p50),
            number(late.p99),
            number(late.max),
            self.most_in_flight
        )?;
        if late.p99.is_some_and(|p99| p99 > LATE_MS) {
            writeln!(
                f,
                "note: the machine was too busy for the generator too: every latency includes how late it was"
            )?;
        }
        if self.total.shed > 0 {
            writeln!(
                f,
                "note: {} arrivals found {} requests unanswered and were shed: the percentiles leave them out and are too low",
                self.total.shed, self.plan.in_flight
            )?;
        }
        let sold_out = self.total.statuses.get(&409).copied().unwrap_or(0);
        if sold_out > 0 {
            writeln!(
                f,
                "note: {sold_out} orders were refused with 409: a product is sold out (`just down --volumes` fills the shelves)"
            )?;
        }
        if !self.is_complete {
            writeln!(
                f,
                "note: ended early; the figures are of what was done until then"
            )?;
        }
        Ok(())
    }

    fn samples(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for figures in &self.routes {
            if let Some(slowest) = &figures.slowest {
                sample(f, "slowest", figures.name, slowest)?;
            }
            if let Some(unexpected) = &figures.first_unexpected {
                sample(f, "unexpected", figures.name, unexpected)?;
            }
            let failures = figures.failures.iter();
            for (kind, count) in failures {
                writeln!(
                    f,
                    "{BAD}failed{BAD:#}     {:<15} {kind}: {count}",
                    figures.name
                )?;
            }
        }
        Ok(())
    }
}

fn row(f: &mut Formatter<'_>, figures: &Figures) -> fmt::Result {
    let Percentiles {
        p50,
        p90,
        p99,
        p999,
        max,
        ..
    } = figures.latency_ms;
    writeln!(
        f,
        "{:<15} {:>8} {:>6} {:>8} {:>8.1} {:>7} {:>6} {:>6} {:>6} {:>6} │ {:>8} {:>8} {:>8} {:>8} {:>8}",
        figures.name,
        figures.arrivals,
        figures.shed,
        figures.answered,
        figures.rate,
        figures.class("2xx"),
        figures.class("3xx"),
        figures.class("4xx"),
        figures.class("5xx"),
        figures.failed(),
        number(p50),
        number(p90),
        number(p99),
        number(p999),
        number(max)
    )
}

fn sample(f: &mut Formatter<'_>, what: &str, route: &str, traced: &Traced) -> fmt::Result {
    let next = match &traced.trace_id {
        Some(id) => format!("just trace {id}"),
        None => "the answer named no trace".to_owned(),
    };
    let latency = number(Some(traced.latency_ms));
    writeln!(
        f,
        "{what:<10} {route:<15} {} after {latency:>8} ms   {next}",
        traced.status
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
