//! Open-loop load for the gateway.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    loadgen::cli::main().unwrap_or_else(|error| {
        // A closed stderr leaves no place to report to.
        writeln!(anstream::stderr(), "loadgen: {error:#}").unwrap_or_default();
        ExitCode::FAILURE
    })
}
