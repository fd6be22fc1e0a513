//! The smallest instrumented service: it asks whoever connects for a name, and greets.
//!
//! ```text
//! cargo run -p telemetry --example greeter &
//! echo Ada | nc 127.0.0.1 8090
//! ```
//!
//! Each greeting is a span, a log record inside it and a count; SIGTERM lets running greetings end, then flushes.

use std::net::SocketAddr;
use std::process::ExitCode;

use contract::events;
use slog::{info, o};
use telemetry::metrics::{Counter, meter};
use telemetry::{Service, ServiceContext};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

fn main() -> ExitCode {
    let service = Service {
        name: "greeter",
        version: env!("CARGO_PKG_VERSION"),
    };
    telemetry::run(
        service,
        |reader| reader.address("SHOP_LISTEN_ADDR", "127.0.0.1:8090"),
        serve,
    )
}

async fn serve(address: SocketAddr, context: ServiceContext) -> anyhow::Result<()> {
    let greetings = meter().u64_counter("greeter.greetings").build();
    greetings.add(0, &[]);
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    info!(context.log, "Listening"; "event.name" => events::SERVICE_LISTENING,
        "server.address" => bound.ip().to_string(), "server.port" => bound.port());

    let running = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            () = context.stopping.cancelled() => break,
            accepted = listener.accept() => accepted?.0,
        };
        let log = context.log.new(o!("component" => "greeter"));
        telemetry::spawn(running.track_future(greet(stream, log, greetings.clone())));
    }
    running.close();
    running.wait().await;
    Ok(())
}

#[tracing::instrument(skip_all)]
async fn greet(mut stream: TcpStream, log: slog::Logger, greetings: Counter<u64>) {
    match converse(&mut stream).await {
        Ok(()) => info!(log, "Greeted"; "event.name" => "greeter.greeted"),
        Err(error) => info!(log, "Hung up"; "event.name" => "greeter.hung_up", "error" => %error),
    }
    greetings.add(1, &[]);
}

async fn converse(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"Your name?\n").await?;
    let mut name = String::new();
    BufReader::new(&mut *stream).read_line(&mut name).await?;
    let answer = format!("Hello, {}!\n", name.trim());
    stream.write_all(answer.as_bytes()).await
}
