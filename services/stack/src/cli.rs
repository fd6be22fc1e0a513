//! The commands.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use stack::console::Console;
use stack::{Instance, Profile, Report, Volumes, repository_root};

use crate::{logs, table};

/// Builds, starts, watches and stops the Collector, its backends and the shop.
#[derive(Debug, Parser)]
#[command(name = "stack", version)]
pub(crate) struct Cli {
    /// Use a stack of its own in this directory, on free ports, instead of the main one.
    #[arg(long, global = true, value_name = "DIR")]
    isolated: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the Collector and its backends; the first time builds them, which takes minutes.
    Up,
    /// Start the Collector, its backends and the four services; of what runs, restart what has changed since.
    Run {
        /// Build the services optimised: slower to build, for numbers about speed.
        #[arg(long)]
        release: bool,
    },
    /// Stop the four services, or the named components.
    Stop {
        /// Components to stop, such as `loki`; `up` starts them again.
        names: Vec<String>,
    },
    /// Stop everything, also what interrupted checks and drills have left; data stays.
    Down {
        /// Forget the data too: traces, logs, metrics and the shop's databases.
        #[arg(long)]
        volumes: bool,
    },
    /// Show what runs, where, and how much memory it takes.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the last output of a component.
    Logs {
        name: String,
        /// Go on as lines come, until Ctrl-C.
        #[arg(short, long)]
        follow: bool,
        /// How many lines.
        #[arg(short = 'n', long, default_value_t = 50)]
        lines: usize,
    },
    /// Build what is not built yet, and start nothing.
    Build,
    /// Make stand-ins for container images that cannot be pulled, from native binaries; show which images are there.
    Images {
        /// Remove the stand-ins instead.
        #[arg(long)]
        remove: bool,
    },
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let here = env::current_dir().context("cannot find the current directory")?;
        let console = Arc::new(Console::new());
        let report: Arc<dyn Report> = console;
        let root = repository_root(&here)?;
        let stack = match &self.isolated {
            Some(dir) => Instance::isolated(&root, dir)?,
            None => Instance::main(&root)?,
        }
        .with_report(report);
        match self.command {
            Command::Up => stack.up()?,
            Command::Run { release: false } => stack.run()?,
            Command::Run { release: true } => stack.with_profile(Profile::Release).run()?,
            Command::Stop { names } if names.is_empty() => stack.stop()?,
            Command::Stop { names } => names
                .iter()
                .try_for_each(|name| stack.stop_component(name))?,
            Command::Down { volumes: false } => stack.down(Volumes::Keep)?,
            Command::Down { volumes: true } => stack.down(Volumes::Forget)?,
            Command::Status { json: true } => {
                anstream::println!("{}", serde_json::to_string_pretty(&stack.status()?)?)
            }
            Command::Status { json: false } => {
                anstream::print!("{}", table::render(&stack.status()?))
            }
            Command::Logs {
                name,
                follow,
                lines,
            } => logs::show(&stack, &name, lines, follow)?,
            Command::Build => stack.build()?,
            Command::Images { remove } => {
                if remove {
                    stack.remove_stand_ins()?;
                } else {
                    stack.make_stand_ins()?;
                }
                anstream::print!("{}", table::render_images(&stack.images()?));
            }
        }
        Ok(())
    }
}
