//! The gateway service.

use std::process::ExitCode;

fn main() -> ExitCode {
    telemetry::run(gateway::SERVICE, gateway::Config::read, gateway::serve)
}
