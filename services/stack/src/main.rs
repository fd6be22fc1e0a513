//! `stack`: the Collector, its backends and the shop as processes of this machine.

mod cli;
mod console;
mod logs;
mod table;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!(
                "{}error:{} {error:#}",
                console::BAD,
                console::BAD.render_reset()
            );
            ExitCode::FAILURE
        }
    }
}
