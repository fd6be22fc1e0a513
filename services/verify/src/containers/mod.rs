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

use crate::report::{Line, Outcome, Report};

/// A row per container, then a row per control that was taken away.
pub fn run<W: Write>(root: &Path, project: &str, report: &mut Report<W>) -> anyhow::Result<()> {
    report.say("\nwhat the engine does to each container")?;
    let begun = Instant::now();
    let containers = inspect::of_project(project)?;
    if containers.is_empty() {
        report.add(Line {
            name: format!("the project {project} has containers"),
            query: None,
            outcome: Outcome::Skipped("the stack runs natively: hardening rows".to_owned()),
            after: begun.elapsed(),
        })?;
        return Ok(());
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
