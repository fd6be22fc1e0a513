//! Starts the order service.

use std::process::ExitCode;

use hosting::Limits;
use order::Config;
use telemetry::Service;

const SERVICE: Service = Service {
    name: "order",
    version: env!("CARGO_PKG_VERSION"),
};

fn main() -> ExitCode {
    telemetry::run(
        SERVICE,
        |reader| (Config::read(reader), Limits::read(reader)),
        |(config, limits), ctx| async move {
            let listener = hosting::bind(config.listen).await?;
            order::serve(listener, config, limits, ctx).await
        },
    )
}
