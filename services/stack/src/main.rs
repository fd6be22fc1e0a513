//! `stack`: the Collector, its backends and the shop as processes of this machine.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;
use stack::console::BAD;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{}error:{} {error:#}", BAD, BAD.render_reset());
            ExitCode::FAILURE
        }
    }
}
