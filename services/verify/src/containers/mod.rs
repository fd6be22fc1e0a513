//! Hardening, read back from the engine: what it does to each container, not what the compose file asks of it.
//!
//! `inspect` reads the containers of the project, `controls` is the table of what each must have, `sabotage` takes one
//! control after the other away and sees that its row goes red.

mod controls;
mod inspect;
mod sabotage;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use stack::{Instance, Runtime};

use crate::report::{Line, Outcome, Report};

/// A row per container, then a row per control that was taken away.
pub fn run<W: Write>(root: &Path, report: &mut Report<W>) -> anyhow::Result<()> {
    report.say("\nwhat the engine does to each container")?;
    let begun = Instant::now();
    let instance = Instance::main(root)?;
    if instance.runtime() == Runtime::Native {
        report.add(Line {
            name: "the stack runs in containers".to_owned(),
            query: None,
            outcome: Outcome::Skipped("the stack runs natively: hardening rows".to_owned()),
            after: begun.elapsed(),
        })?;
        return Ok(());
    }
    let project = instance.project();
    let containers = inspect::of_project(&project)?;
    for name in ["otel-collector", "prometheus", "loki", "promtail"] {
        ensure!(
            containers.iter().any(|container| container.service == name),
            "the project {project} has no container of {name}: `just run` starts it"
        );
    }
    for container in containers {
        let broken = controls::broken(&container);
        report.add(Line {
            name: format!("{} is confined", container.service),
            query: None,
            outcome: match broken.is_empty() {
                true => Outcome::Passed(container.to_string()),
                false => Outcome::Failed(format!("{}; it has {container}", broken.join("; "))),
            },
            after: begun.elapsed(),
        })?;
    }
    report.say("\na container without one of the controls must be told from a confined one")?;
    sabotage::run(root, report)
}
