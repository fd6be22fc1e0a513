//! The command line.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::report::{Line, Outcome, Report};
use crate::run::Patience;
use crate::target::Target;
use crate::{run, selftest, show};

#[derive(Debug, Parser)]
#[command(name = "verify", about, version)]
struct Cli {
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
    },
    /// Break a stack of its own in four ways and see that the rows go red and name what is broken.
    Selftest,
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
    let target = Target::here()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut out = anstream::stdout();
    match cli.command {
        Command::Run { rows_only } => {
            let mut report = Report::new(out);
            runtime.block_on(run::run(
                &target,
                Patience::default(),
                |_| true,
                &mut report,
            ))?;
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

/// Only where the programs of the stack are built already: the shop runs as processes of this machine.
fn selftest<W: Write>(
    target: &Target,
    runtime: &Runtime,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    if !target.pids.is_empty() {
        return selftest::run(runtime, report);
    }
    Ok(report.add(Line {
        name: "breaking a stack of its own".to_owned(),
        query: None,
        outcome: Outcome::Skipped(
            "no service is a process of this machine: break-it rows".to_owned(),
        ),
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
