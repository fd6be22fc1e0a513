//! `drill`: the doctor and the drills.

use std::io::Write;
use std::process::ExitCode;

use telemetry_testing::terminal;

fn main() -> ExitCode {
    drill::cli::main().unwrap_or_else(|error| {
        if terminal::is_closed_pipe(error.as_ref()) {
            return ExitCode::SUCCESS;
        }
        let text = terminal::escape_lines(&format!("{error:#}"));
        // With standard error closed there is no place for a message.
        writeln!(anstream::stderr(), "drill: {text}").unwrap_or_default();
        ExitCode::FAILURE
    })
}
