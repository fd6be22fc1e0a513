//! `just doctor`: one marked order, followed hop by hop to the first broken one.
//!
//! `facts` asks everything that can be asked about the order, `judge` decides from that alone.

mod facts;
mod judge;

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use stack::Instance;
use tokio::runtime::Runtime;
use verify::breaks::{Bench, Broken, mutations};
use verify::report::{Line, Outcome, Report};

pub use facts::{Doctor, Facts, Flow, Running, SERVICES, Signal};
pub use judge::{Chain, Hop, State, judge};

use crate::place::Place;

/// Metrics are exported once an interval (5 s), and a new series of the connectors one later.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(300);

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// The chains in the order of the data.
#[derive(Debug)]
pub struct Diagnosis {
    pub chains: Vec<Chain>,
    pub after: Duration,
}

impl Diagnosis {
    /// The first broken hop of each chain.
    pub fn broken(&self) -> impl Iterator<Item = &Hop> {
        let hops = self.chains.iter().flat_map(|chain| &chain.hops);
        hops.filter(|hop| matches!(hop.state, State::Broken { .. }))
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for chain in &self.chains {
            writeln!(out, "{}", chain.name)?;
            for Hop { name, state } in &chain.hops {
                match state {
                    State::Holds(evidence) => writeln!(
                        out,
                        "  {GOOD}ok{GOOD:#}      {name:<44} {DIM}{evidence}{DIM:#}"
                    )?,
                    State::Broken { seen, .. } => {
                        writeln!(out, "  {BAD}BROKEN{BAD:#}  {name:<44} {seen}")?
                    }
                    State::NotJudged => writeln!(out, "  {DIM}-       {name}{DIM:#}")?,
                }
            }
        }
        writeln!(out)?;
        for hop in self.broken() {
            if let State::Broken { seen, remedy } = &hop.state {
                writeln!(
                    out,
                    "{BAD}broken{BAD:#}  {}: {seen}\nremedy  {remedy}",
                    hop.name
                )?;
            }
        }
        if self.broken().next().is_none() {
            writeln!(out, "every hop holds ({:.1} s)", self.after.as_secs_f64())?;
        }
        Ok(())
    }
}

/// Places one order and looks until every hop holds or the time is over.
pub async fn examine(
    instance: &Instance,
    place: &Place,
    out: &mut impl Write,
) -> anyhow::Result<Diagnosis> {
    let begun = Instant::now();
    let doctor = Doctor::begin(instance).await?;
    loop {
        let diagnosis = Diagnosis {
            chains: judge(&doctor.look().await?, place)?,
            after: begun.elapsed(),
        };
        // A stopped service does not start by waiting.
        let is_final = diagnosis.chains.first().is_some_and(Chain::is_broken);
        if is_final || diagnosis.broken().next().is_none() || diagnosis.after > PATIENCE {
            diagnosis.print(out)?;
            return Ok(diagnosis);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The broken hops of an isolated stack, and what was printed.
pub fn named(bench: &Bench, runtime: &Runtime) -> anyhow::Result<(Vec<String>, String)> {
    let place = Place::Isolated(bench.home().to_owned());
    let mut shown = anstream::StripStream::new(Vec::new());
    let instance = bench.instance()?;
    let diagnosis = runtime.block_on(examine(&instance, &place, &mut shown))?;
    let named = diagnosis.broken().map(|hop| hop.name.clone()).collect();
    Ok((
        named,
        String::from_utf8_lossy(&shown.into_inner()).into_owned(),
    ))
}

/// Applies the mutations that the doctor must name, and compares.
pub fn check<W: Write>(
    root: &Path,
    runtime: &Runtime,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    let bench = Bench::new(root, &root.join(".stack/doctor-check"), runtime.handle())?;
    let done = check_all(root, &bench, runtime, report);
    bench.forget()?;
    done
}

fn check_all<W: Write>(
    root: &Path,
    bench: &Bench,
    runtime: &Runtime,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    let instance = bench.instance()?;
    instance.run()?;
    let traces = if instance.has("tempo") {
        "tempo"
    } else {
        "archive"
    };
    let logs = if instance.has("loki") {
        "loki"
    } else {
        "log archive"
    };
    for mutation in mutations(root)? {
        let Some(hop) = &mutation.doctor else {
            continue;
        };
        let expected = hop.replace("{traces}", traces).replace("{logs}", logs);
        let begun = Instant::now();
        let missing = mutation
            .fault
            .components()
            .into_iter()
            .find(|name| !instance.has(name));
        let needs_loki = hop.contains("lane=") && logs != "loki";
        let outcome = match missing.or(needs_loki.then_some("loki")) {
            Some(missing) => Outcome::Skipped(format!("no {missing}")),
            None => {
                let broken =
                    Broken::apply(bench, &mutation.fault).context(mutation.name.clone())?;
                let (hops, shown) = named(bench, runtime)?;
                broken.restore(bench).context(mutation.name.clone())?;
                compare(&expected, &hops, &shown)
            }
        };
        report.add(Line {
            name: mutation.name,
            query: None,
            outcome,
            after: begun.elapsed(),
        })?;
    }
    Ok(())
}

fn compare(expected: &str, named: &[String], shown: &str) -> Outcome {
    match (expected, named) {
        ("", []) => Outcome::Passed("no hop is named".to_owned()),
        (hop, [name]) if hop == name => Outcome::Passed(format!("names: {hop}")),
        _ => Outcome::Failed(format!("expected {expected:?}, named {named:?}\n{shown}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hop_too_many_or_another_hop_fails() {
        let is_right = |expected, named: &[&str]| {
            let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            matches!(compare(expected, &named, ""), Outcome::Passed(_))
        };
        assert!(is_right("", &[]) && is_right("loki runs", &["loki runs"]));
        assert!(!is_right("", &["loki runs"]) && !is_right("loki runs", &[]));
        assert!(!is_right("loki runs", &["loki runs", "promtail runs"]));
    }
}
