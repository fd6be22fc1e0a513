//! `drill`: the doctor and the drills.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    drill::cli::main().unwrap_or_else(|error| {
        // A closed stderr leaves nobody to tell.
        writeln!(anstream::stderr(), "drill: {error:#}").unwrap_or_default();
        ExitCode::FAILURE
    })
}
