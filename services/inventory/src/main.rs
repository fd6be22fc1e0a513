//! The inventory service.

use std::process::ExitCode;

fn main() -> ExitCode {
    telemetry::run(
        inventory::SERVICE,
        inventory::Config::read,
        inventory::serve,
    )
}
