//! Starts the gateway.

use std::process::ExitCode;

use gateway::Config;
use hosting::Limits;
use telemetry::Service;

const SERVICE: Service = Service {
    name: "gateway",
    version: env!("CARGO_PKG_VERSION"),
};

fn main() -> ExitCode {
    telemetry::run(
        SERVICE,
        |reader| (Config::read(reader), Limits::read(reader)),
        |(config, limits), ctx| async move {
            let listener = hosting::bind(config.listen).await?;
            gateway::serve(listener, config, limits, ctx).await
        },
    )
}
