//! One drill, or several on one stack.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use stack::Instance;
use tokio::runtime::Runtime;
use verify::breaks::{AlertPlan, Bench, Broken};
use verify::claims::page::PageQuery;

use crate::orders::Orders;
use crate::page::{Drill, When, needs, signal};
use crate::queries::{Alert, Backends};
use crate::shop::Shop;
use crate::traffic::Traffic;
use crate::{doctor, rules};

const PAUSE: Duration = Duration::from_millis(300);
/// An export interval, a flush of the connectors, a rule evaluation; the rest is for a busy machine.
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
pub fn list(drills: &[Drill], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:<20} {:<44} FIRES  CLEARS  BREAKS", "DRILL", "ALERT")?;
    for Drill { name, plan, .. } in drills {
        let seconds = |time: Duration| format!("{} s", time.as_secs());
        let (alert, [fires, clears]) = match &plan.alert {
            Some(alert) => (alert.to_string(), [alert.fires, alert.clears].map(seconds)),
            None if plan.doctor.is_some() => {
                ("none left: ask the doctor".into(), Default::default())
            }
            None => ("none".into(), Default::default()),
        };
        let breaks = &plan.breaks;
        writeln!(
            out,
            "{name:<20} {alert:<44} {fires:>5} {clears:>7}  {breaks}"
        )?;
    }
    let factor = rules::FACTOR;
    writeln!(
        out,
        "\nTimes are of the drill's own stack: its error budgets have windows {factor} times shorter."
    )
}

/// Runs the drills on an isolated stack; returns how many failed.
pub fn run(
    root: &Path,
    drills: &[Drill],
    runtime: &Runtime,
    out: &mut impl Write,
) -> anyhow::Result<usize> {
    let bench = Bench::new(root, &root.join(".stack/drill"), runtime.handle())?;
    let scaled = rules::prepare(root, bench.home())?;
    let bench = bench.with("STACK_HOME", &scaled.to_string_lossy());
    let home = bench.home().display();
    writeln!(out, "{DIM}starting an isolated stack in {home}{DIM:#}")?;
    let failed = all(&bench, drills, runtime, out);
    bench.forget()?;
    failed
}

fn all(
    bench: &Bench,
    drills: &[Drill],
    runtime: &Runtime,
    out: &mut impl Write,
) -> anyhow::Result<usize> {
    let instance = bench.instance()?;
    instance.run()?;
    let (mut failed, mut skipped) = (Vec::new(), Vec::new());
    for drill in drills {
        let name = &*drill.name;
        let begun = Instant::now();
        if let Some(missing) = drill.plan.needs.iter().find(|need| !instance.has(need)) {
            writeln!(out, "skip {name}: no {missing}\n")?;
            skipped.push(name);
            continue;
        }
        let mut stage = Stage {
            bench,
            drill,
            runtime,
            alert: expected_alert(drill, &instance),
            missing: Vec::new(),
            out,
        };
        let done = stage.run();
        let mut missing = stage.missing;
        missing.extend(done.err().map(|error| format!("{error:#}")));
        let after = begun.elapsed().as_secs();
        if missing.is_empty() {
            writeln!(out, "{GOOD}ok{GOOD:#} {name} in {after} s\n")?;
            continue;
        }
        let missing = missing.join("\n     ");
        writeln!(
            out,
            "{BAD}FAIL{BAD:#} {name} in {after} s\n     {missing}\n"
        )?;
        failed.push(name);
        // The next drill begins with everything as it is shipped.
        bench.reset()?;
    }
    let passed = drills.len() - failed.len() - skipped.len();
    let list = |names: &[&str]| format!("{} {}", names.len(), names.join(", "));
    let (failures, skips) = (list(&failed), list(&skipped));
    writeln!(
        out,
        "{passed} drills ok; failed: {failures}; skipped: {skips}"
    )?;
    Ok(failed.len())
}

/// The plan's alert, or that of an absent component.
fn expected_alert<'a>(drill: &'a Drill, instance: &Instance) -> Option<&'a AlertPlan> {
    let plan = &drill.plan;
    let mut names = plan.fault.components().into_iter();
    let is_absent = names.any(|name| !instance.has(name));
    let alternative = plan.alert_if_absent.as_ref();
    alternative.filter(|_| is_absent).or(plan.alert.as_ref())
}

/// One drill while it runs.
struct Stage<'a, W> {
    bench: &'a Bench,
    drill: &'a Drill,
    runtime: &'a Runtime,
    alert: Option<&'a AlertPlan>,
    /// What was expected and not seen.
    missing: Vec<String>,
    out: &'a mut W,
}

// === impl Stage ===

impl<W: Write> Stage<'_, W> {
    fn run(&mut self) -> anyhow::Result<()> {
        let (bench, plan) = (self.bench, &self.drill.plan);
        writeln!(
            self.out,
            "{BOLD}{}{BOLD:#}  {}",
            self.drill.name, plan.breaks
        )?;
        let instance = bench.instance()?;
        let shop = Shop::new(&instance.addresses().gateway)?;
        let traffic = Traffic::start(self.runtime, &shop, &plan.load);
        let before = self.settle(&Backends::new(&instance)?)?;

        let backends = Backends::new(&instance)?;
        // What fails while a component starts again belongs to the break.
        let begun = Instant::now();
        traffic.set_broken(true);
        let broken = Broken::apply(bench, &plan.fault)?;
        self.say("break", &plan.breaks)?;
        let mut orders = Orders::place(self.runtime, &shop, plan.orders)?;
        match plan.orders {
            0 => {}
            _ if plan.fault.components().is_empty() => orders.arrive(&instance)?,
            _ => orders.are_queued(&instance)?,
        }
        let second = Broken::apply(bench, &plan.then)?;
        if let Some(alert) = self.alert {
            self.fires(&backends, &traffic, begun, alert)?;
        }
        if let Some(watched) = plan.quiet {
            self.stays_quiet(&backends, watched, &before)?;
        }
        if let Some(hop) = &plan.doctor {
            let named = doctor::named(bench, self.runtime)?.0;
            match named.contains(hop) {
                true => self.say("doctor", &format!("names: {}", named.join(", ")))?,
                false => self.miss(format!("the doctor names {named:?}, not {hop:?}")),
            }
        }
        self.see(&backends, When::Broken)?;
        self.see(&backends, When::Never)?;
        self.users(&traffic)?;

        traffic.set_broken(false);
        // A fix counts from its beginning: the start of a slow program is a part of it.
        let fixed = Instant::now();
        second.restore(bench)?;
        broken.restore(bench)?;
        self.say("fix", &plan.fix)?;
        if let Some(alert) = self.alert {
            self.clears(&backends, fixed, alert)?;
        }
        self.see(&backends, When::After)?;
        match plan.orders {
            0 => Ok(()),
            _ => self.say("orders", &orders.are_complete(&instance)?),
        }
    }

    /// Waits until nothing of the start or of the drill before can be taken for this one. Slower alerts of earlier drills
    /// may go on: returns what there is before the break.
    fn settle(&mut self, backends: &Backends) -> anyhow::Result<BTreeSet<String>> {
        let mut last = Ok(Vec::new());
        let expected = self.alert;
        let is_calm = self.poll(SETTLE, async || {
            last = backends.alerts().await;
            let is_expected = |alert: &Alert| expected.is_some_and(|plan| alert.is(plan));
            match &last {
                Ok(alerts) if !alerts.iter().any(is_expected) => backends.counts_orders().await,
                _ => false,
            }
        });
        let names = names(&last?);
        anyhow::ensure!(is_calm.is_some(), "not calm before the break: {names:?}");
        Ok(names)
    }

    fn fires(
        &mut self,
        backends: &Backends,
        traffic: &Traffic,
        begun: Instant,
        plan: &AlertPlan,
    ) -> anyhow::Result<()> {
        let mut seen = Vec::new();
        let mut summary = None;
        let fired = self.poll(plan.fires, async || {
            seen = backends.alerts().await.unwrap_or_default();
            let mut firing = seen.iter().filter(|alert| alert.is_firing);
            summary = firing
                .find(|alert| alert.is(plan))
                .map(|alert| alert.summary.clone());
            summary.is_some()
        });
        let within = plan.fires.as_secs();
        let Some(at) = fired else {
            let names = names(&seen);
            self.miss(format!(
                "{plan} did not fire within {within} s; there is {names:?}"
            ));
            return Ok(());
        };
        // Only objectives are about requests; another alert may fire while one happens to be slow.
        let is_about_users = plan.of.contains_key("slo");
        let bad = traffic.first_bad().map(|(first, _)| *first);
        let (since, event) = match bad.filter(|first| is_about_users && *first < at) {
            Some(first) => (first, "the first bad request"),
            None => (begun, "the break"),
        };
        let after = at.duration_since(since).as_secs_f64();
        self.say(
            "alert",
            &format!("{plan} fires {after:.1} s after {event} (limit {within} s)"),
        )?;
        self.say("", &summary.unwrap_or_default())
    }

    fn stays_quiet(
        &mut self,
        backends: &Backends,
        watched: Duration,
        before: &BTreeSet<String>,
    ) -> anyhow::Result<()> {
        let mut new = Vec::new();
        let fired = self.poll(watched, async || {
            let mut alerts = backends.alerts().await.unwrap_or_default();
            // In its first seconds a stack has pending alerts that never fire.
            alerts.retain(|alert| alert.is_firing);
            new = names(&alerts).difference(before).cloned().collect();
            !new.is_empty()
        });
        match fired {
            None => self.say(
                "alert",
                &format!("none in {} s, as expected", watched.as_secs()),
            ),
            Some(_) => {
                self.miss(format!("no alert was expected: {new:?}"));
                Ok(())
            }
        }
    }

    /// What the callers have seen.
    fn users(&mut self, traffic: &Traffic) -> anyhow::Result<()> {
        let (answered, bad) = traffic.counts();
        let state = format!("{bad} of {answered} requests failed or took longer than a second");
        self.say("users", &state)?;
        let instance = self.bench.instance()?;
        let known = instance.topology();
        let is_service = |name: &str| known.component(name).is_ok_and(|one| one.is_service());
        let is_of_telemetry = self.drill.plan.fault.is_of_telemetry(is_service);
        if is_of_telemetry && bad * NOISE > answered {
            self.miss(format!(
                "a fault of telemetry must not reach the users: {state}"
            ));
        }
        match traffic.first_bad() {
            Some((_, trace)) if !trace.is_empty() => self.say("one", &format!("trace {trace}")),
            _ => Ok(()),
        }
    }

    fn clears(
        &mut self,
        backends: &Backends,
        fixed: Instant,
        plan: &AlertPlan,
    ) -> anyhow::Result<()> {
        let mut seen = String::new();
        let cleared = self.poll(plan.clears, async || {
            let alerts = backends.alerts().await;
            seen = format!("{:?}", alerts.as_deref().map(names));
            alerts.is_ok_and(|alerts| !alerts.iter().any(|alert| alert.is(plan)))
        });
        let within = plan.clears.as_secs();
        match cleared {
            Some(at) => {
                let after = at.duration_since(fixed).as_secs_f64();
                self.say(
                    "clear",
                    &format!("{plan} clears {after:.1} s after the fix (limit {within} s)"),
                )
            }
            None => {
                self.miss(format!("{plan} did not clear within {within} s: {seen}"));
                Ok(())
            }
        }
    }

    /// The page's queries of one mark, as a person would type them, with what they find.
    fn see(&mut self, backends: &Backends, when: When) -> anyhow::Result<()> {
        let instance = self.bench.instance()?;
        let drill = self.drill;
        for query in drill.queries(when) {
            match needs(query).find(|need| !instance.has(need)) {
                Some(missing) => self.say("skip", &format!("no {missing}: {}", query.text))?,
                None => self.ask(backends, query, when == When::Never)?,
            }
        }
        Ok(())
    }

    fn ask(
        &mut self,
        backends: &Backends,
        query: &PageQuery,
        is_never: bool,
    ) -> anyhow::Result<()> {
        let mut last = Ok(Vec::new());
        let found = self.poll(QUERY, async || {
            last = backends.ask(query).await;
            let is_right = |found: &Vec<String>| found.is_empty() == is_never;
            last.as_ref().is_ok_and(is_right)
        });
        let (signal, text) = (signal(query.language), &query.text);
        let answer = match &last {
            Ok(found) => format!(
                "{} found: {}",
                found.len(),
                found.first().map_or("", |one| one)
            ),
            Err(error) => format!("{error:#}"),
        };
        if found.is_none() {
            self.miss(format!("{signal} do not show it: {text} gives {answer}"));
            return Ok(());
        }
        self.say(signal, text)?;
        Ok(writeln!(self.out, "            {DIM}{answer}{DIM:#}")?)
    }

    fn say(&mut self, topic: &str, text: &str) -> anyhow::Result<()> {
        Ok(writeln!(self.out, "  {topic:<8}  {text}")?)
    }

    fn miss(&mut self, what: String) {
        self.missing.push(what);
    }

    /// When it held, if it did within `patience`.
    fn poll(&self, patience: Duration, mut holds: impl AsyncFnMut() -> bool) -> Option<Instant> {
        self.runtime.block_on(async {
            let begun = Instant::now();
            while begun.elapsed() <= patience {
                if holds().await {
                    return Some(Instant::now());
                }
                tokio::time::sleep(PAUSE).await;
            }
            None
        })
    }
}

/// Firing and pending alerts, without repeats.
fn names(alerts: &[Alert]) -> BTreeSet<String> {
    alerts.iter().map(Alert::describe).collect()
}
