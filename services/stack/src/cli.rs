//! The commands.

use std::env;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use stack::console::{BAD, Console, DIM, GOOD};
use stack::{Condition, Instance, Profile, Status, Volumes, repository_root};

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
    /// Start the Collector and its backends; the first time builds two of them, which takes minutes.
    Up,
    /// Start the Collector, its backends and the shop's services; restart what has changed since its start.
    Run {
        /// Build the services optimised: takes longer, for measurements of speed.
        #[arg(long)]
        release: bool,
    },
    /// Stop the shop's services, or the named components.
    Stop {
        /// Components to stop, such as `loki`; `up` starts them again.
        names: Vec<String>,
    },
    /// Stop everything, also what interrupted checks and drills have left; data stays.
    Down {
        /// Remove the data too: traces, logs, metrics and the shop's databases.
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
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let here = env::current_dir().context("cannot find the current directory")?;
        let root = repository_root(&here)?;
        let stack = match &self.isolated {
            Some(dir) => Instance::isolated(&root, dir)?,
            None => Instance::main(&root)?,
        }
        .with_report(Arc::new(Console::new()));
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
                let text = serde_json::to_string_pretty(&stack.status()?)?;
                writeln!(anstream::stdout(), "{text}")?;
            }
            Command::Status { json: false } => {
                write!(anstream::stdout(), "{}", table(&stack.status()?))?;
            }
            Command::Logs {
                name,
                follow,
                lines,
            } => stack.show_logs(&name, lines, follow)?,
            Command::Build => stack.build()?,
        }
        Ok(())
    }
}

/// One line for each component, and the sum of the memory.
fn table(rows: &[Status]) -> String {
    let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
    let (mut running, mut total) = (0, 0);
    let mut text = format!(
        "{:<15} {:<10} {:>7} {:>9}  WHERE\n",
        "COMPONENT", "STATE", "PID", "MEMORY"
    );
    for row in rows {
        let (word, style) = match row.condition {
            Condition::Ready => ("ready", GOOD),
            Condition::NotReady => ("not ready", BAD),
            Condition::Died => ("died", BAD),
            Condition::Stopped => ("stopped", DIM),
            Condition::Unavailable => ("missing", DIM),
        };
        let runs = matches!(row.condition, Condition::Ready | Condition::NotReady);
        running += usize::from(runs);
        total += row.memory.unwrap_or_default();
        let pid = row.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let memory = row.memory.map(mebibytes).unwrap_or_default();
        let url = if runs {
            format!("{}  ", row.url)
        } else {
            String::new()
        };
        let line = format!(
            "{:<15} {style}{word:<10}{style:#} {pid:>7} {memory:>9}  {url}{DIM}{}{DIM:#}\n",
            row.name, row.note
        );
        text.push_str(&line);
    }
    text + &format!(
        "{running} of {} run, {} in all\n",
        rows.len(),
        mebibytes(total)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_state_pid_memory_and_place_and_the_memory_is_added_up() {
        let ready = Status {
            name: "loki".into(),
            condition: Condition::Ready,
            pid: Some(41),
            memory: Some(130 << 20),
            url: "http://127.0.0.1:3100".into(),
            note: String::new(),
        };
        let missing = Status {
            name: "tempo".into(),
            condition: Condition::Unavailable,
            pid: None,
            memory: None,
            note: "put it on PATH".into(),
            ..ready.clone()
        };
        let text = anstream::adapter::strip_str(&table(&[ready, missing])).to_string();
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        assert_eq!(
            lines[1],
            "loki            ready           41   130 MiB  http://127.0.0.1:3100"
        );
        assert!(
            lines[2].starts_with("tempo           missing") && lines[2].ends_with("put it on PATH"),
            "{text}"
        );
        assert!(
            !lines[2].contains("3100"),
            "what does not run listens nowhere"
        );
        assert_eq!(lines[3], "1 of 2 run, 130 MiB in all");
    }
}
