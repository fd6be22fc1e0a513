//! `stack`: the Collector, its backends and the shop as processes of this machine.

mod cli;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use stack::console::BAD;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{}error:{} {error:#}", BAD, BAD.render_reset());
            ExitCode::FAILURE
        }
    }
}

/// Whether no one reads the output any more, as in `just status | head -1`.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
