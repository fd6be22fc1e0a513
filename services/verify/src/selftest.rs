//! Breaks a stack of its own and sees that the rows go red and name what is broken.
//!
//! A verifier that cannot fail proves nothing. The stack is an isolated one on free ports: the Collector, its backends
//! and the four services as they are shipped. Nothing in them knows of this: the breaks are a stopped process, and a
//! Collector that drops or renames.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use stack::console::Console;
use stack::{Instance, Volumes};
use tokio::runtime::Runtime;
use yaml_serde::Value;

use crate::report::{Line, Outcome, Report};
use crate::run::{self, Patience};
use crate::target::Target;

/// A row that must go red, and a word its last state must have.
type Red = (&'static str, &'static str);

struct Break {
    name: &'static str,
    how: How,
    red: &'static [Red],
    /// Rows that must not: a verifier that is always red proves nothing either.
    green: &'static [&'static str],
}

enum How {
    Nothing,
    Stopped(&'static str),
    /// The Collector runs with this put into its configuration.
    Collector(&'static str),
}

const ORDER_TREE: &str =
    "an order is one tree through four services, CLIENT and SERVER at every hop";
const ORDER_ANSWERS: &str = "API: Order answers 201";
const ORDERS_COUNTED: &str = "shop.orders placed moves by the orders placed";
const ORDER_LINES: &str = "order: log lines over OTLP, by trace id";
const PRODUCT_EDGE: &str = "edge order → product (HTTP)";
const INVENTORY_EDGE: &str = "edge order → inventory (gRPC)";
const ORDERS_PANEL: &str = "panel Home / Orders placed";
const DOCUMENTED: &str = "every documented metric is emitted, with its unit and no other labels";
const NO_OTHER: &str = "every emitted metric is documented";

const BREAKS: [Break; 4] = [
    Break {
        name: "nothing is broken",
        how: How::Nothing,
        red: &[],
        green: &[
            ORDER_ANSWERS,
            ORDER_TREE,
            ORDERS_COUNTED,
            ORDER_LINES,
            PRODUCT_EDGE,
            DOCUMENTED,
            NO_OTHER,
            ORDERS_PANEL,
        ],
    },
    Break {
        name: "one route's spans are gone and a metric is renamed",
        how: How::Collector(
            // A span that is moved to another trace is missing from its own, as if nobody had made it.
            "processors:
  transform/selftest:
    error_mode: propagate
    trace_statements:
      - set(span.trace_id, TraceID(0x11111111111111111111111111111111)) where span.name == \"GET /products/{id}\" and span.kind == SPAN_KIND_SERVER
    metric_statements:
      - set(metric.name, \"shop.ordres\") where metric.name == \"shop.orders\"
pipelines:
  traces: transform/selftest
  metrics: transform/selftest
",
        ),
        red: &[
            (PRODUCT_EDGE, "SERVER GET /products/{id} [product]"),
            (ORDER_TREE, "product.lookup [product] has no parent here"),
            (ORDERS_COUNTED, "moved by 0"),
            (DOCUMENTED, "shop.orders (as shop_orders_total)"),
            (NO_OTHER, "shop_ordres_total"),
            (ORDERS_PANEL, "no metric shop_orders_total"),
        ],
        green: &[ORDER_ANSWERS, ORDER_LINES, INVENTORY_EDGE],
    },
    Break {
        name: "the Collector is stopped",
        how: How::Stopped("otel-collector"),
        red: &[
            ("otel-collector answers", "does not answer"),
            (ORDER_TREE, "no trace"),
            (ORDER_LINES, "0 lines"),
            (ORDERS_COUNTED, "no baseline"),
        ],
        green: &[ORDER_ANSWERS, "loki answers"],
    },
    Break {
        name: "Loki is stopped",
        how: How::Stopped("loki"),
        red: &[
            ("loki answers", "does not answer"),
            (ORDER_LINES, "does not answer"),
        ],
        green: &[ORDER_ANSWERS, ORDER_TREE],
    },
];

/// A red row waits all of this; a green one needs an export interval, a flush and a rule evaluation.
const PATIENCE: Patience = Patience {
    gate: Duration::from_secs(3),
    baseline: Duration::from_secs(30),
    arrival: Duration::from_secs(12),
    closing: Duration::from_secs(6),
};

struct Drill {
    root: PathBuf,
    home: PathBuf,
}

/// Starts the stack, breaks it one way after the other, and stops it again, whatever happened.
pub fn run<W: Write>(runtime: &Runtime, report: &mut Report<W>) -> anyhow::Result<()> {
    let root = stack::repository_root(&std::env::current_dir()?)?;
    let drill = Drill {
        home: root.join(".stack/selftest"),
        root,
    };
    report
        .say("\nbreaking a stack of its own: each of these must turn the rows red that name it")?;
    let _hold = drill.instance()?.hold()?;
    // A run that was interrupted left its processes: the same directory finds them again.
    drill.instance()?.down(Volumes::Forget)?;
    if let Err(error) = drill.run(runtime, report) {
        let told = format!("{error:#}");
        // The main stack may run on Docker, which needs no Go.
        let outcome = match error.downcast_ref() {
            Some(stack::Error::GoMissing { .. }) => Outcome::Skipped(told),
            _ => Outcome::Failed(told),
        };
        report.add(Line {
            name: "a stack of its own runs and can be broken".to_owned(),
            query: None,
            outcome,
            after: Duration::ZERO,
        })?;
    }
    Ok(drill.instance()?.down(Volumes::Forget)?)
}

// === impl Drill ===

impl Drill {
    fn instance(&self) -> anyhow::Result<Instance> {
        // The archive in Tempo's place, and no Grafana: they start and stop in seconds.
        Ok(Instance::isolated(&self.root, &self.home)?
            .with_variable("TEMPO_BIN", "none")
            .with_variable("GRAFANA_HOME", "none")
            .with_report(Arc::new(Console::of_long_work())))
    }

    fn run<W: Write>(&self, runtime: &Runtime, report: &mut Report<W>) -> anyhow::Result<()> {
        let instance = self.instance()?;
        instance.run()?;
        for break_ in &BREAKS {
            self.apply(&instance, &break_.how)?;
            for line in self.judge(runtime, &instance, break_)? {
                report.add(line)?;
            }
            self.mend(&instance, &break_.how)?;
        }
        Ok(())
    }

    fn apply(&self, instance: &Instance, how: &How) -> anyhow::Result<()> {
        match how {
            How::Nothing => {}
            How::Stopped(component) => instance.stop_component(component)?,
            How::Collector(addition) => {
                let root = self.altered_root(addition)?;
                let altered = self
                    .instance()?
                    .with_variable("STACK_ROOT", &root.to_string_lossy());
                altered.restart("otel-collector")?;
            }
        }
        Ok(())
    }

    fn mend(&self, instance: &Instance, how: &How) -> anyhow::Result<()> {
        match how {
            // The last one: nothing comes after it, and Loki is ready only after 15 s.
            How::Nothing | How::Stopped("loki") => {}
            How::Stopped(component) => instance.start_component(component)?,
            How::Collector(_) => instance.restart("otel-collector")?,
        }
        Ok(())
    }

    /// The rows of one break; what is judged is whether they went the colour they should.
    fn judge(
        &self,
        runtime: &Runtime,
        instance: &Instance,
        break_: &Break,
    ) -> anyhow::Result<Vec<Line>> {
        let target = Target::of(&self.root, instance)?;
        let mut inner = Report::new(std::io::sink());
        let is_listed = |name: &str| {
            break_.green.contains(&name) || break_.red.iter().any(|(red, _)| *red == name)
        };
        runtime.block_on(run::run(
            &target,
            PATIENCE,
            |row| is_listed(&row.name),
            &mut inner,
        ))?;
        let red = break_.red.iter().map(|(name, word)| {
            let line = judge_red(inner.lines(), name, word);
            self.line(break_, format!("red: {name}"), line)
        });
        let green = break_.green.iter().map(|name| {
            let line = judge_green(inner.lines(), name);
            self.line(break_, format!("green: {name}"), line)
        });
        Ok(red.chain(green).collect())
    }

    fn line(&self, break_: &Break, name: String, (outcome, after): (Outcome, Duration)) -> Line {
        Line {
            name: format!("{}, {name}", break_.name),
            query: None,
            outcome,
            after,
        }
    }

    /// A directory that stands for the working copy as far as the Collector reads it.
    fn altered_root(&self, addition: &str) -> anyhow::Result<PathBuf> {
        let altered = self.home.join("altered");
        let collector = altered.join("collector");
        fs::create_dir_all(&collector)
            .with_context(|| format!("creating {}", collector.display()))?;
        let original = self.root.join("collector");
        for overlay in ["archive-traces.yaml", "archive-logs.yaml"] {
            fs::copy(original.join(overlay), collector.join(overlay))
                .with_context(|| format!("copying {}/{overlay}", original.display()))?;
        }
        let config = fs::read_to_string(original.join("config.yaml"))
            .with_context(|| format!("reading {}/config.yaml", original.display()))?;
        fs::write(collector.join("config.yaml"), alter(&config, addition)?)?;
        Ok(altered)
    }
}

pub(crate) fn judge_red(lines: &[Line], name: &str, word: &str) -> (Outcome, Duration) {
    match find(lines, name) {
        Err(missing) => missing,
        Ok(line) => match &line.outcome {
            Outcome::Failed(state) if state.contains(word) => {
                (Outcome::Passed(state.clone()), line.after)
            }
            Outcome::Failed(state) => (
                Outcome::Failed(format!("is red, but does not say {word:?}: {state}")),
                line.after,
            ),
            other => (
                Outcome::Failed(format!("should be red: {other:?}")),
                line.after,
            ),
        },
    }
}

fn judge_green(lines: &[Line], name: &str) -> (Outcome, Duration) {
    match find(lines, name) {
        Err(missing) => missing,
        Ok(line) => match &line.outcome {
            Outcome::Passed(evidence) => (Outcome::Passed(evidence.clone()), line.after),
            other => (
                Outcome::Failed(format!("should be green: {other:?}")),
                line.after,
            ),
        },
    }
}

fn find<'a>(lines: &'a [Line], name: &str) -> Result<&'a Line, (Outcome, Duration)> {
    lines.iter().find(|line| line.name == name).ok_or_else(|| {
        let state = lines.last().map_or_else(String::new, |line| {
            format!("{}: {:?}", line.name, line.outcome)
        });
        (
            Outcome::Failed(format!("was not judged; the last row was {state}")),
            Duration::ZERO,
        )
    })
}

/// `config` with the processors of `addition`, each at the end of the pipeline that `addition` names.
fn alter(config: &str, addition: &str) -> anyhow::Result<String> {
    let mut config: Value = yaml_serde::from_str(config)?;
    let addition: Value = yaml_serde::from_str(addition)?;
    let processors = mapping(&addition["processors"])?.clone();
    let known = config["processors"]
        .as_mapping_mut()
        .context("the Collector's configuration has no processors")?;
    known.extend(processors);
    for (pipeline, processor) in mapping(&addition["pipelines"])? {
        config["service"]["pipelines"][pipeline]["processors"]
            .as_sequence_mut()
            .with_context(|| format!("no pipeline {pipeline:?} with processors"))?
            .push(processor.clone());
    }
    Ok(yaml_serde::to_string(&config)?)
}

fn mapping(value: &Value) -> anyhow::Result<&yaml_serde::Mapping> {
    value
        .as_mapping()
        .context("an addition needs processors and pipelines")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::{self, Artifacts};
    use crate::expectations;
    use std::path::Path;

    #[test]
    fn every_row_a_break_names_is_in_the_table() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let lists = crate::target::lists(&root).unwrap();
        let checks = checks::Checks::read(&root, &lists).unwrap();
        let mut rows: Vec<_> = checks.rows.iter().map(crate::claim::Row::check).collect();
        rows.extend(expectations::closing(&lists.services));
        rows.extend(claims::rows(&Artifacts::shipped(&root).unwrap()));
        for break_ in &BREAKS {
            let named = break_
                .green
                .iter()
                .chain(break_.red.iter().map(|(name, _)| name));
            for name in named {
                assert!(rows.iter().any(|row| row.name == *name), "no row {name:?}");
            }
        }
    }

    #[test]
    fn the_shipped_collector_configuration_can_be_altered() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../collector/config.yaml");
        let config = fs::read_to_string(path).unwrap();
        for break_ in &BREAKS {
            if let How::Collector(addition) = break_.how {
                let altered: Value =
                    yaml_serde::from_str(&alter(&config, addition).unwrap()).unwrap();
                let traces = altered["service"]["pipelines"]["traces"]["processors"]
                    .as_sequence()
                    .unwrap();
                assert_eq!(
                    traces.last().and_then(Value::as_str),
                    Some("transform/selftest")
                );
                assert!(altered["processors"]["memory_limiter"].is_mapping());
            }
        }
    }

    #[test]
    fn a_row_that_stays_green_or_says_something_else_is_no_proof() {
        let line = |outcome| {
            vec![Line {
                name: "loki answers".into(),
                query: None,
                outcome,
                after: Duration::ZERO,
            }]
        };
        let red = |outcome| judge_red(&line(outcome), "loki answers", "does not answer").0;
        assert!(matches!(
            red(Outcome::Failed("x does not answer: refused".into())),
            Outcome::Passed(_)
        ));
        assert!(matches!(
            red(Outcome::Failed("503".into())),
            Outcome::Failed(_)
        ));
        assert!(matches!(
            red(Outcome::Passed(String::new())),
            Outcome::Failed(_)
        ));
        assert!(matches!(
            judge_red(&[], "loki answers", "").0,
            Outcome::Failed(_)
        ));
    }
}
