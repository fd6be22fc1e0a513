//! `drill`: the doctor and the drills.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    drill::cli::main().unwrap_or_else(|error| {
        // There is no other place for an error of stderr.
        writeln!(anstream::stderr(), "drill: {error:#}").unwrap_or_default();
        ExitCode::FAILURE
    })
}
