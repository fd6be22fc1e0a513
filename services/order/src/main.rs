//! The order service.

use std::process::ExitCode;

fn main() -> ExitCode {
    telemetry::run(order::SERVICE, order::Config::read, order::serve)
}
