//! The product service.

use std::process::ExitCode;

fn main() -> ExitCode {
    telemetry::run(product::SERVICE, product::Config::read, product::serve)
}
