//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use stack::Instance;
use verify::report::Report;

use crate::page::Drill;
use crate::place::Place;
use crate::{doctor, run};

#[derive(Debug, Parser)]
#[command(name = "drill", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Place one order and follow it hop by hop; name the first broken hop, and the remedy.
    Doctor {
        /// The stack in this directory instead of the main one.
        #[arg(long, value_name = "DIR")]
        isolated: Option<PathBuf>,
    },
    /// Break an isolated stack in ten ways and check that the doctor names the right hop.
    DoctorCheck,
    /// Every drill: what breaks, which alert fires and clears within what time.
    List,
    /// Every drill, one after the other, on one stack.
    All,
    /// Drills by name.
    #[command(external_subcommand)]
    Named(Vec<String>),
}

/// Parses the process's arguments and runs the command.
pub fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let here = std::env::current_dir().context("the current directory does not exist")?;
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
            doctor::check(&root, &runtime, &mut report)?;
            report.close()?.failed == 0
        }
        Command::List => {
            run::list(&Drill::all(&root)?, &mut out)?;
            true
        }
        Command::All => run::run(&root, &Drill::all(&root)?, &runtime, &mut out)? == 0,
        Command::Named(names) => {
            let mut all = Drill::all(&root)?;
            if let Some(name) = names
                .iter()
                .find(|name| !all.iter().any(|one| one.name == **name))
            {
                let known: Vec<&str> = all.iter().map(|one| &*one.name).collect();
                anyhow::bail!("no drill {name:?}; there are {}", known.join(", "));
            }
            all.retain(|drill| names.contains(&drill.name));
            run::run(&root, &all, &runtime, &mut out)? == 0
        }
    };
    Ok(match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
