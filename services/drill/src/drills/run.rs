//! One drill, or all of them on one stack.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use tokio::runtime::Runtime;

use super::ask::{Alert, Backends, Found};
use super::break_it::break_it;
use super::page::{Page, Query, When};
use super::rules;
use super::table::{DRILLS, Drill, Expect};
use super::traffic::Traffic;
use crate::bench::Bench;
use crate::doctor;
use crate::shop::Shop;

const PAUSE: Duration = Duration::from_millis(300);
/// An export interval, a flush of the connectors, a rule evaluation; the rest is slack for a busy machine.
const QUERY: Duration = Duration::from_secs(30);
/// One request of so many is slow for reasons of the machine.
const NOISE: usize = 20;
/// The longest window of the scaled rules that still fires, and a start of the stack.
const SETTLE: Duration = Duration::from_secs(180);

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// `drill list`.
pub fn list(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<20} {:<40} {:>6} {:>7}  BREAKS",
        "DRILL", "ALERT", "FIRES", "CLEARS"
    )?;
    for drill in DRILLS {
        let (alert, fires, clears) = match drill.alert {
            Expect::Alert {
                name,
                of,
                fires,
                clears,
            } => (
                format!("{name} {}", of.1),
                format!("{} s", fires.as_secs()),
                format!("{} s", clears.as_secs()),
            ),
            Expect::Quiet(_) => (
                "none: it is no fault".to_owned(),
                String::new(),
                String::new(),
            ),
            Expect::Doctor(_) => (
                "none left: ask the doctor".to_owned(),
                String::new(),
                String::new(),
            ),
        };
        writeln!(
            out,
            "{:<20} {alert:<40} {fires:>6} {clears:>7}  {}",
            drill.name, drill.breaks
        )?;
    }
    writeln!(
        out,
        "\nTimes are of the drill's own stack, whose error budgets look at windows {} times shorter.",
        rules::FACTOR
    )
}

/// Runs the drills on a stack of its own below `home`; gives how many did not show what they promise.
pub fn run(
    root: &Path,
    home: &Path,
    drills: &[&'static Drill],
    runtime: &Runtime,
    out: &mut impl Write,
) -> anyhow::Result<usize> {
    // A page with a fault is found before minutes of drills.
    let pages: Vec<Page> = drills
        .iter()
        .map(|drill| Page::read(root, drill.name))
        .collect::<anyhow::Result<_>>()?;
    let bench = Bench::new(root, home)?;
    let scaled = rules::prepare(root, bench.home())?;
    let bench = bench.with("STACK_HOME", &scaled.to_string_lossy());
    writeln!(
        out,
        "{DIM}starting a stack of its own in {}{DIM:#}",
        bench.home().display()
    )?;
    let failed = all(&bench, drills, &pages, runtime, out);
    bench.forget()?;
    failed
}

fn all(
    bench: &Bench,
    drills: &[&'static Drill],
    pages: &[Page],
    runtime: &Runtime,
    out: &mut impl Write,
) -> anyhow::Result<usize> {
    bench.instance()?.run()?;
    let mut failed = Vec::new();
    for (drill, page) in drills.iter().zip(pages) {
        let begun = Instant::now();
        let mut stage = Stage {
            bench,
            drill,
            page,
            runtime,
            missing: Vec::new(),
            out,
        };
        if let Err(error) = stage.run() {
            stage.missing.push(format!("{error:#}"));
        }
        let missing = stage.missing;
        let after = begun.elapsed().as_secs();
        if missing.is_empty() {
            writeln!(out, "{GOOD}ok{GOOD:#} {} in {after} s\n", drill.name)?;
        } else {
            writeln!(out, "{BAD}FAIL{BAD:#} {} in {after} s", drill.name)?;
            for what in &missing {
                writeln!(out, "     {what}")?;
            }
            writeln!(out)?;
            failed.push(drill.name);
            // The next one begins with everything as it is shipped.
            bench.instance()?.run()?;
        }
    }
    let passed = drills.len() - failed.len();
    writeln!(
        out,
        "{passed} drills ok, {} failed {}",
        failed.len(),
        failed.join(", ")
    )?;
    Ok(failed.len())
}

/// One drill on its way.
struct Stage<'a, W> {
    bench: &'a Bench,
    drill: &'static Drill,
    page: &'a Page,
    runtime: &'a Runtime,
    /// What did not show.
    missing: Vec<String>,
    out: &'a mut W,
}

// === impl Stage ===

impl<W: Write> Stage<'_, W> {
    fn run(&mut self) -> anyhow::Result<()> {
        let drill = self.drill;
        writeln!(self.out, "{BOLD}{}{BOLD:#}  {}", drill.name, drill.breaks)?;
        let shop = Shop::new(&self.bench.instance()?.addresses().gateway)?;
        let traffic = Traffic::start(self.runtime, &shop, drill.load);
        let before = self.settle()?;

        let backends = Backends::of(&self.bench.instance()?)?;
        // What fails while a component starts anew belongs to the break.
        let begun = Instant::now();
        traffic.break_begins();
        let broken = break_it(self.bench, self.runtime, drill.how)?;
        self.say("break", drill.breaks)?;

        let broken_at = Instant::now();
        self.expect(&backends, &traffic, begun, &before)?;
        self.see(&backends, When::Broken)?;
        self.see(&backends, When::Never)?;
        let (answered, bad) = traffic.counts();
        let shown = format!(
            "{bad} of {answered} requests failed or took longer than a second in {} s",
            broken_at.elapsed().as_secs()
        );
        self.say("users", &shown)?;
        if drill.how.is_of_telemetry() && bad * NOISE > answered {
            self.missing.push(format!(
                "users notice that telemetry is away: {bad} of {answered} requests failed or were slow"
            ));
        }
        if let Some(id) = traffic.bad_trace() {
            self.say("one", &format!("trace {id}"))?;
        }

        traffic.fix_is_done();
        // A fix counts from its beginning: a program that starts slowly is a part of it.
        let mended = Instant::now();
        broken.mend(self.bench)?;
        self.say("fix", drill.fix)?;
        self.clear(&backends, mended)?;
        self.see(&backends, When::After)
    }

    /// Nothing of the start or of the drill before may be taken for this one. Slower alerts of earlier drills may go on:
    /// what is there before the break is given back.
    fn settle(&mut self) -> anyhow::Result<BTreeSet<String>> {
        let backends = Backends::of(&self.bench.instance()?)?;
        let mut last = BTreeSet::new();
        let mut seen = String::new();
        let drill = self.drill;
        let is_calm = self.poll(SETTLE, async || match backends.alerts().await {
            Ok(alerts) => {
                last = told(&alerts);
                seen = join(&last);
                let is_there = alerts.iter().any(|alert| drill.alert.is(alert));
                !is_there && backends.counts_orders().await
            }
            Err(error) => {
                seen = format!("{error:#}");
                false
            }
        });
        anyhow::ensure!(is_calm.is_some(), "not calm before the break: {seen}");
        Ok(last)
    }

    fn expect(
        &mut self,
        backends: &Backends,
        traffic: &Traffic,
        begun: Instant,
        before: &BTreeSet<String>,
    ) -> anyhow::Result<()> {
        match self.drill.alert {
            Expect::Alert { fires, .. } => self.fires(backends, traffic, begun, fires),
            Expect::Quiet(watched) => {
                let mut new = Vec::new();
                let fired = self.poll(watched, async || {
                    let mut alerts = backends.alerts().await.unwrap_or_default();
                    // In its first seconds a stack has pending ones that never fire: nobody is told of those.
                    alerts.retain(|alert| alert.is_firing);
                    let now = told(&alerts);
                    new = now.difference(before).cloned().collect();
                    !new.is_empty()
                });
                let whole = watched.as_secs();
                match fired {
                    Some(_) => self
                        .missing
                        .push(format!("no alert was expected: {}", new.join(", "))),
                    None => self.say("alert", &format!("none in {whole} s, as it should be"))?,
                }
                Ok(())
            }
            Expect::Doctor(hop) => self.doctor(hop),
        }
    }

    fn fires(
        &mut self,
        backends: &Backends,
        traffic: &Traffic,
        begun: Instant,
        within: Duration,
    ) -> anyhow::Result<()> {
        let expected = self.drill.alert;
        let mut seen = Vec::new();
        let fired = self.poll(within, async || {
            seen = backends.alerts().await.unwrap_or_default();
            seen.iter()
                .any(|alert| alert.is_firing && expected.is(alert))
        });
        let within = within.as_secs();
        let Some(at) = fired else {
            let state = join(&told(&seen));
            self.missing.push(format!(
                "{expected} did not fire within {within} s; there is {state}"
            ));
            return Ok(());
        };
        // Other alerts are not about requests, even if one happened to be slow.
        let first_bad = traffic.first_bad().filter(|_| expected.is_about_users());
        let (since, what) = match first_bad {
            Some(first) if first < at => (first, "the first bad request"),
            _ => (begun, "the break"),
        };
        let after = at.duration_since(since).as_secs_f64();
        let alert = seen
            .iter()
            .find(|alert| alert.is_firing && expected.is(alert));
        let summary = alert.map(|alert| alert.summary.clone()).unwrap_or_default();
        self.say(
            "alert",
            &format!("{expected} fires {after:.1} s after {what} (stated: {within} s)"),
        )?;
        self.say("", &summary)
    }

    fn doctor(&mut self, hop: &str) -> anyhow::Result<()> {
        let instance = self.bench.instance()?;
        let place = self.bench.place();
        let mut shown = Vec::new();
        let diagnosis = doctor::examine(&instance, &place, &mut shown);
        let diagnosis = self.runtime.block_on(diagnosis)?;
        let named: Vec<&str> = diagnosis.broken().map(|hop| &*hop.name).collect();
        match named.contains(&hop) {
            true => self.say("doctor", &format!("names: {}", named.join(", ")))?,
            false => self
                .missing
                .push(format!("the doctor names {named:?}, not {hop:?}")),
        }
        Ok(())
    }

    fn clear(&mut self, backends: &Backends, mended: Instant) -> anyhow::Result<()> {
        let expected = self.drill.alert;
        let Expect::Alert { clears, .. } = expected else {
            return Ok(());
        };
        let mut seen = String::new();
        let cleared = self.poll(clears, async || match backends.alerts().await {
            Ok(alerts) => {
                seen = join(&told(&alerts));
                !alerts.iter().any(|alert| expected.is(alert))
            }
            Err(error) => {
                seen = format!("{error:#}");
                false
            }
        });
        let stated = clears.as_secs();
        match cleared {
            Some(at) => {
                let after = at.duration_since(mended).as_secs_f64();
                let shown =
                    format!("{expected} is gone {after:.1} s after the fix (stated: {stated} s)");
                self.say("clear", &shown)?;
            }
            None => self.missing.push(format!(
                "{expected} did not clear within {stated} s: {seen}"
            )),
        }
        Ok(())
    }

    /// The page's queries of one kind, each as a person would type it, with what it answers.
    fn see(&mut self, backends: &Backends, when: When) -> anyhow::Result<()> {
        let page = self.page;
        for query in page.queries.iter().filter(|query| query.when == when) {
            let wanted = |found: &Found| (found.count == 0) == (when == When::Never);
            self.ask(backends, query, wanted)?;
        }
        Ok(())
    }

    fn ask(
        &mut self,
        backends: &Backends,
        query: &Query,
        wanted: impl Fn(&Found) -> bool,
    ) -> anyhow::Result<()> {
        let mut last: Result<Found, String> = Err(String::new());
        let found = self.poll(QUERY, async || {
            last = backends
                .ask(query)
                .await
                .map_err(|error| format!("{error:#}"));
            last.as_ref().is_ok_and(&wanted)
        });
        let signal = query.language.signal();
        let told = match &last {
            Ok(found) if found.count == 0 => "no answer".to_owned(),
            Ok(found) => format!("{} found, such as {}", found.count, found.example),
            Err(error) => error.clone(),
        };
        match found {
            Some(_) => {
                self.say(signal, &query.text)?;
                writeln!(self.out, "            {DIM}{told}{DIM:#}")?;
            }
            None => self.missing.push(format!(
                "{signal} do not show it: {} gives {told}",
                query.text
            )),
        }
        Ok(())
    }

    fn say(&mut self, what: &str, text: &str) -> anyhow::Result<()> {
        Ok(writeln!(self.out, "  {what:<8}  {text}")?)
    }

    /// When it held, if it did within `patience`.
    fn poll(&self, patience: Duration, mut holds: impl AsyncFnMut() -> bool) -> Option<Instant> {
        self.runtime.block_on(async {
            let begun = Instant::now();
            loop {
                if holds().await {
                    return Some(Instant::now());
                }
                if begun.elapsed() > patience {
                    return None;
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
    }
}

/// What fires or is about to, without repeats.
fn told(alerts: &[Alert]) -> BTreeSet<String> {
    alerts.iter().map(Alert::told).collect()
}

fn join(told: &BTreeSet<String>) -> String {
    match told.is_empty() {
        true => "no alert".to_owned(),
        false => told.iter().cloned().collect::<Vec<_>>().join(", "),
    }
}
