//! What the stack must survive: `down` and `up` again, and a Collector that is killed while its queues are full.
//!
//! It stops and starts the stack that runs here, natively or in containers; nothing of it is forgotten.

mod crash;
mod restart;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use stack::Instance;
use stack::console::Console;
use tokio::runtime::Runtime;

use crate::backend::{Loki, Traces};
use crate::check::one_tree;
use crate::poll::{Look, poll};
use crate::report::{Line, Outcome, Report};
use crate::target::Target;
use checks::Answer;

const PAUSE: Duration = Duration::from_millis(400);
/// A queue drains within its retry interval of 5 s; a backend that was just started needs seconds more.
const PATIENCE: Duration = Duration::from_secs(90);

/// An order whose telemetry must be found again.
struct Order {
    trace_id: String,
    placed: SystemTime,
}

/// Rows of one check: each polled until it holds.
struct Rows<'a, W> {
    runtime: &'a Runtime,
    report: &'a mut Report<W>,
    subject: &'static str,
}

/// Runs both checks on the stack of the working copy.
pub fn run<W: Write>(root: &Path, runtime: &Runtime, report: &mut Report<W>) -> anyhow::Result<()> {
    let instance = Instance::main(root)?.with_report(Arc::new(Console::of_long_work()));
    instance.run()?;
    restart::run(root, &instance, runtime, report)?;
    crash::run(root, &instance, runtime, report)
}

// === impl Rows ===

impl<W: Write> Rows<'_, W> {
    /// Whether it held in time.
    fn add(&mut self, name: &str, look: impl AsyncFnMut() -> Look) -> anyhow::Result<bool> {
        let settled = self.runtime.block_on(poll(PATIENCE, PAUSE, look));
        let holds = matches!(settled.outcome, Outcome::Passed(_));
        self.report.add(Line {
            name: format!("{}: {name}", self.subject),
            query: None,
            outcome: settled.outcome,
            after: settled.after,
        })?;
        Ok(holds)
    }

    /// A step that blocks and either works or does not.
    fn step(
        &mut self,
        name: &str,
        step: impl FnOnce() -> anyhow::Result<String>,
    ) -> anyhow::Result<bool> {
        let begun = Instant::now();
        let outcome = match step() {
            Ok(evidence) => Outcome::Passed(evidence),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        let holds = matches!(outcome, Outcome::Passed(_));
        self.report.add(Line {
            name: format!("{}: {name}", self.subject),
            query: None,
            outcome,
            after: begun.elapsed(),
        })?;
        Ok(holds)
    }
}

async fn order(target: &Target) -> anyhow::Result<Order> {
    let placed = SystemTime::now();
    let answer: Answer = target.driver()?.one_order().await?;
    if answer.status != 201 {
        bail!("the order was answered {}: {}", answer.status, answer.body);
    }
    let trace_id = answer.trace_id().context("no traceresponse")?.to_owned();
    Ok(Order { trace_id, placed })
}

/// Its trace as one whole tree.
async fn trace(store: &Traces, order: &Order) -> Look {
    match store.trace(&order.trace_id).await {
        Err(error) => Look::NotYet(format!("{error:#}")),
        Ok(None) => Look::NotYet(format!("no trace {}", order.trace_id)),
        Ok(Some(trace)) => match one_tree(&trace, 1) {
            Ok(evidence) => Look::Holds(evidence),
            Err(state) => Look::NotYet(state),
        },
    }
}

/// How many lines of its trace each lane has: the OTLP lane first.
async fn lines(loki: &Loki, order: &Order) -> anyhow::Result<(usize, usize)> {
    let query = format!(r#"{{service_name=~".+"}} | trace_id="{}""#, order.trace_id);
    let since = order.placed - Duration::from_secs(1);
    let lines = loki.query(&query, since, SystemTime::now()).await?;
    let in_lane = |lane| {
        lines
            .iter()
            .filter(|line| line.label("lane") == lane)
            .count()
    };
    Ok((in_lane("otlp"), in_lane("file")))
}

/// The same lines in both lanes.
async fn both_lanes(loki: &Loki, order: &Order) -> Look {
    match lines(loki, order).await {
        Err(error) => Look::NotYet(format!("{error:#}")),
        Ok((otlp, file)) if otlp == file && otlp > 0 => Look::Holds(format!("{otlp} lines each")),
        Ok((otlp, file)) => Look::NotYet(format!("{otlp} lines over OTLP, {file} from files")),
    }
}
