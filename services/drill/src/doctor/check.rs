//! Whether the doctor is right: breaks a stack of its own, one way after the other, and compares the hop that is named.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use tokio::runtime::Runtime;
use verify::report::{Line, Outcome, Report};
use yaml_serde::Value;

use super::examine;
use crate::bench::{Bench, at};

/// One way to break it, and the only hop that may be named.
struct Break {
    name: &'static str,
    how: How,
    /// `{traces}` stands for who keeps the traces.
    names: &'static str,
}

enum How {
    Nothing,
    Stopped(&'static str),
    /// Started with a variable that is wrong.
    Started(&'static str, &'static str, &'static str),
    /// The Collector runs with one statement more in its trace pipeline.
    Statement(&'static str),
    /// The Collector's log pipeline runs without a processor.
    Without(&'static str),
}

/// Loopback, and nobody listens there: every component binds 127.0.0.1.
const NOWHERE: &str = "127.0.0.9";

const BREAKS: [Break; 11] = [
    Break {
        name: "nothing is broken",
        how: How::Nothing,
        names: "",
    },
    Break {
        name: "a service is stopped",
        how: How::Stopped("product"),
        names: "product runs",
    },
    Break {
        name: "the Collector is stopped",
        how: How::Stopped("otel-collector"),
        names: "otel-collector runs",
    },
    Break {
        name: "a service has a wrong OTLP endpoint",
        how: How::Started(
            "product",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://127.0.0.9:4318",
        ),
        names: "product → otel-collector",
    },
    Break {
        name: "the exporter of traces is cut",
        how: How::Started("otel-collector", "TEMPO_HOST", NOWHERE),
        names: "otel-collector → {traces}",
    },
    Break {
        name: "the exporter to Loki is cut",
        how: How::Started("otel-collector", "LOKI_HOST", NOWHERE),
        names: "otel-collector → loki",
    },
    Break {
        name: "the exporter to Prometheus is cut",
        how: How::Started("otel-collector", "PROMETHEUS_HOST", NOWHERE),
        names: "otel-collector → prometheus",
    },
    Break {
        name: "Promtail is stopped",
        how: How::Stopped("promtail"),
        names: "promtail runs",
    },
    Break {
        name: "a service has a wrong name",
        how: How::Started("product", "OTEL_SERVICE_NAME", "prodcut"),
        names: "product says its name",
    },
    Break {
        name: "a service's clock is an hour ahead",
        how: How::Statement(
            r#"set(span.start_time, span.start_time + Duration("1h")) where resource.attributes["service.name"] == "inventory""#,
        ),
        names: "the clocks agree",
    },
    Break {
        name: "the lane label is lost",
        how: How::Without("transform/lane"),
        names: "the lines have lane=otlp",
    },
];

/// Starts the stack, breaks and mends it, and stops it again, whatever happened.
pub fn run<W: Write>(
    root: &Path,
    home: &Path,
    runtime: &Runtime,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    let bench = Bench::new(root, home)?;
    let done = all(&bench, runtime, report);
    bench.forget()?;
    done
}

fn all<W: Write>(bench: &Bench, runtime: &Runtime, report: &mut Report<W>) -> anyhow::Result<()> {
    bench.instance()?.run()?;
    let traces = match bench.instance()?.traces() {
        stack::TraceStore::Archive(_) => "archive",
        _ => "tempo",
    };
    for case in BREAKS {
        break_it(bench, &case.how).with_context(|| case.name.to_owned())?;
        let begun = Instant::now();
        let instance = bench.instance()?;
        let mut shown = anstream::StripStream::new(Vec::new());
        let diagnosis = runtime.block_on(examine(&instance, &bench.place(), &mut shown))?;
        let named: Vec<&str> = diagnosis.broken().map(|hop| &*hop.name).collect();
        let expected = case.names.replace("{traces}", traces);
        report.add(Line {
            name: case.name.to_owned(),
            query: None,
            outcome: judge(&expected, &named, || {
                String::from_utf8_lossy(&shown.into_inner()).into_owned()
            }),
            after: begun.elapsed(),
        })?;
        mend(bench, &case.how).with_context(|| format!("mending: {}", case.name))?;
    }
    Ok(())
}

fn judge(expected: &str, named: &[&str], shown: impl FnOnce() -> String) -> Outcome {
    let is_right = match expected {
        "" => named.is_empty(),
        hop => named == [hop],
    };
    match is_right {
        true if expected.is_empty() => Outcome::Passed("no hop is named".to_owned()),
        true => Outcome::Passed(format!("names: {expected}")),
        false => Outcome::Failed(format!(
            "expected {expected:?}, named {named:?}\n{}",
            shown()
        )),
    }
}

fn break_it(bench: &Bench, how: &How) -> anyhow::Result<()> {
    match *how {
        How::Nothing => Ok(()),
        How::Stopped(component) => Ok(bench.instance()?.stop_component(component)?),
        How::Started(component, variable, value) => {
            bench.restart_with(component, &[(variable, value)])
        }
        How::Statement(statement) => bench.alter_collector(|config| put(config, statement)),
        How::Without(processor) => bench.alter_collector(|config| take(config, processor)),
    }
}

fn mend(bench: &Bench, how: &How) -> anyhow::Result<()> {
    match *how {
        How::Nothing => Ok(()),
        How::Stopped(component) => Ok(bench.instance()?.start_component(component)?),
        How::Started(component, ..) => bench.restart_with(component, &[]),
        How::Statement(_) | How::Without(_) => bench.restart_with("otel-collector", &[]),
    }
}

fn put(config: &mut Value, statement: &str) -> anyhow::Result<()> {
    const NAME: &str = "transform/clock";
    let processor: Value = yaml_serde::from_str(&format!(
        "error_mode: propagate\ntrace_statements: [{}]",
        serde_json::to_string(statement)?
    ))?;
    at(config, &["processors"])?
        .as_mapping_mut()
        .context("processors is no mapping")?
        .insert(NAME.into(), processor);
    at(config, &["service", "pipelines", "traces", "processors"])?
        .as_sequence_mut()
        .context("processors is no list")?
        .push(NAME.into());
    Ok(())
}

fn take(config: &mut Value, processor: &str) -> anyhow::Result<()> {
    let list = at(config, &["service", "pipelines", "logs", "processors"])?;
    let list = list.as_sequence_mut().context("processors is no list")?;
    let before = list.len();
    list.retain(|name| name.as_str() != Some(processor));
    anyhow::ensure!(list.len() + 1 == before, "pipeline logs has no {processor}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hop_too_many_or_another_one_is_no_success() {
        let is_right = |expected, named: &[&str]| {
            matches!(judge(expected, named, String::new), Outcome::Passed(_))
        };
        assert!(is_right("", &[]));
        assert!(is_right("loki runs", &["loki runs"]));
        assert!(!is_right("", &["loki runs"]));
        assert!(!is_right("loki runs", &[]));
        assert!(!is_right("loki runs", &["loki runs", "promtail runs"]));
    }

    #[test]
    fn the_shipped_collector_can_be_broken_as_the_breaks_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../collector/config.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        for case in BREAKS {
            let mut config: Value = yaml_serde::from_str(&text).unwrap();
            match case.how {
                How::Statement(statement) => put(&mut config, statement).unwrap(),
                How::Without(processor) => take(&mut config, processor).unwrap(),
                _ => {}
            }
        }
    }
}
