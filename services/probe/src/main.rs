//! `probe TARGET`: exit 0 if it is ready, else 1 and what was seen on standard error, 64 without a target.

use std::io::Write as _;
use std::process::ExitCode;

use probe::Probe;

const USAGE: u8 = 64;

fn main() -> ExitCode {
    let target = std::env::args().nth(1).unwrap_or_default();
    let (seen, code) = match target.parse::<Probe>() {
        Ok(probe) => match probe.ask() {
            Ok(()) => return ExitCode::SUCCESS,
            Err(seen) => (seen, ExitCode::FAILURE),
        },
        Err(error) => (error.to_string(), ExitCode::from(USAGE)),
    };
    // Whoever closed standard error learns it from the exit code.
    writeln!(std::io::stderr(), "{seen}").ok();
    code
}
