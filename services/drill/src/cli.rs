//! The command line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use stack::Instance;
use tokio::runtime::Runtime;
use verify::report::Report;

use crate::doctor;
use crate::drills;
use crate::drills::table::{DRILLS, Drill, drill};
use crate::place::Place;

#[derive(Debug, Parser)]
#[command(name = "drill", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Place one order and follow it hop by hop; name the first hop that does not hold, and the remedy.
    Doctor {
        /// The stack in this directory instead of the main one.
        #[arg(long, value_name = "DIR")]
        isolated: Option<PathBuf>,
    },
    /// Break a stack of its own in ten ways and see that the doctor names the right hop.
    DoctorCheck,
    /// Every drill: what breaks, which alert fires and clears within what time.
    List,
    /// Every drill, one after the other, on one stack.
    All,
    /// One drill, by its name.
    #[command(external_subcommand)]
    Named(Vec<String>),
}

/// Parses the process's arguments and does what they say.
pub fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let here = std::env::current_dir().context("the current directory is gone")?;
    let root = stack::repository_root(&here)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut out = anstream::stdout();
    let is_good = match cli.command {
        Command::Doctor { isolated } => {
            let (instance, place) = match isolated {
                None => (Instance::main(&root)?, Place::Main),
                Some(dir) => (Instance::isolated(&root, &dir)?, Place::Isolated(dir)),
            };
            let diagnosis = runtime.block_on(doctor::examine(&instance, &place, &mut out))?;
            diagnosis.broken().next().is_none()
        }
        Command::DoctorCheck => {
            let mut report = Report::new(out);
            let home = root.join(".stack/doctor-check");
            doctor::check::run(&root, &home, &runtime, &mut report)?;
            report.close()?.failed == 0
        }
        Command::List => {
            drills::list(&mut out)?;
            true
        }
        Command::All => practise(&root, DRILLS.iter().collect(), &runtime, &mut out)?,
        Command::Named(names) => {
            let chosen = names.iter().map(|name| named(name));
            practise(
                &root,
                chosen.collect::<anyhow::Result<_>>()?,
                &runtime,
                &mut out,
            )?
        }
    };
    Ok(match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn named(name: &str) -> anyhow::Result<&'static Drill> {
    drill(name).with_context(|| {
        let known: Vec<&str> = DRILLS.iter().map(|drill| drill.name).collect();
        format!("no drill {name:?}; there are {}", known.join(", "))
    })
}

fn practise(
    root: &Path,
    chosen: Vec<&'static Drill>,
    runtime: &Runtime,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    Ok(drills::run(root, &root.join(".stack/drill"), &chosen, runtime, out)? == 0)
}
