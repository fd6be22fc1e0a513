//! The command line.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, Subcommand};
use stack::Instance;

use crate::report::Report;
use crate::run::Patience;
use crate::target::Target;
use crate::{breaks, browser, run, show};

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
        /// Leave out the last part, the mutations.
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
    /// Change copies of the shipped files, and break an isolated stack: the rows must fail that `checks/mutations.yaml` names.
    Mutations,
    /// Use the scenario page in a headless Chromium: by keyboard, by click, at phone width, offline.
    Browser,
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
    let root = stack::repository_root(&std::env::current_dir()?)?;
    let instance = match &cli.isolated {
        Some(dir) => Instance::isolated(&root, dir)?,
        None => Instance::main(&root)?,
    };
    let target = Target::of(&root, &instance)?;
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
                breaks::rows(&instance, &runtime, &mut report)?;
            }
            close(report)
        }
        Command::Mutations => {
            let mut report = Report::new(out);
            breaks::rows(&instance, &runtime, &mut report)?;
            close(report)
        }
        Command::Browser => {
            let mut report = Report::new(out);
            runtime.block_on(browser::rows(&target, &mut report))?;
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

fn close<W: Write>(mut report: Report<W>) -> anyhow::Result<ExitCode> {
    let tally = report.close()?;
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
