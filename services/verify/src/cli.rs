//! The command line.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::report::{Line, Outcome, Report};
use crate::run::Patience;
use crate::target::Target;
use crate::{browser, run, selftest, show, survival};

#[derive(Debug, Parser)]
#[command(name = "verify", about, version)]
struct Cli {
    /// The stack in this directory instead of the main one; `stack --isolated DIR run` starts it.
    #[arg(long, global = true, value_name = "DIR")]
    isolated: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Drive the shop through its public API and ask the backends about every claim.
    Run {
        /// Leave out the last part, which breaks a stack of its own to see rows fail.
        #[arg(long)]
        rows_only: bool,
        /// Ask only the rows whose name has this in it.
        #[arg(
            long,
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        only: String,
    },
    /// Break a stack of its own in four ways and see that the rows go red and name what is broken.
    Selftest,
    /// Use the scenario page in a headless Chromium: by keyboard, by click, at phone width, offline.
    Browser,
    /// Stop and start the stack, then kill its Collector, and see that nothing is lost or told twice.
    Survival,
    /// Place one order; show its trace, its log lines, a few metrics and where to look.
    FirstOrder,
    /// A trace as a waterfall with its log lines in place.
    Trace {
        /// 32 hexadecimal digits, as `traceresponse` and the log lines have it.
        id: String,
        /// Spans and log lines as one JSON document.
        #[arg(long)]
        json: bool,
    },
}

/// Parses the process's arguments and does what they say.
pub fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    // Before the runtime: looking up processes and ports blocks.
    let target = match &cli.isolated {
        Some(dir) => Target::isolated(dir)?,
        None => Target::here()?,
    };
    // They stop and start the main stack, or one of their own.
    let is_about_the_main_one = matches!(cli.command, Command::Selftest | Command::Survival);
    if cli.isolated.is_some() && is_about_the_main_one {
        bail!("--isolated: this command does not look at a stack in a directory");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut out = anstream::stdout();
    match cli.command {
        Command::Run { rows_only, only } => {
            let mut report = Report::new(out);
            runtime.block_on(run::run(
                &target,
                Patience::default(),
                |row| row.name.contains(&only),
                &mut report,
            ))?;
            if !report.lines().iter().any(|line| line.name.contains(&only)) {
                bail!("no row has {only:?} in its name");
            }
            if only.is_empty() {
                // After every row that counts: it runs the scenarios again.
                runtime.block_on(browser::rows(&target, &mut report))?;
            }
            if !rows_only {
                selftest(&target, &runtime, &mut report)?;
            }
            close(report)
        }
        Command::Selftest => {
            let mut report = Report::new(out);
            selftest::run(&runtime, &mut report)?;
            close(report)
        }
        Command::Browser => {
            let mut report = Report::new(out);
            runtime.block_on(browser::rows(&target, &mut report))?;
            close(report)
        }
        Command::Survival => {
            let mut report = Report::new(out);
            survival::run(target.root(), &runtime, &mut report)?;
            close(report)
        }
        Command::FirstOrder => {
            runtime.block_on(show::first_order(&target, &mut out))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Trace { id, json } => {
            runtime.block_on(show::trace(&target, &id, json, &mut out))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Only where the programs of the stack are built already: building them takes longer than everything else here.
fn selftest<W: Write>(
    target: &Target,
    runtime: &Runtime,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    let missing = target.missing_tools()?;
    if missing.is_empty() {
        return selftest::run(runtime, report);
    }
    Ok(report.add(Line {
        name: "breaking a stack of its own".to_owned(),
        query: None,
        outcome: Outcome::Skipped(format!(
            "no native {}: break-it rows (`just up` on this machine builds them)",
            missing.join(", ")
        )),
        after: Duration::ZERO,
    })?)
}

fn close<W: Write>(mut report: Report<W>) -> anyhow::Result<ExitCode> {
    let tally = report.close()?;
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
