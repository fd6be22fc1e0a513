//! The smallest logger with two lanes: OpenTelemetry and JSON lines, with one time and one pair of ids for both.
//!
//! `cargo run -p otel-slog --example log_line` prints the JSON line, then the record that an exporter would get.

use std::io;
use std::sync::Mutex;

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_slog::{OtelDrain, Stamp};
use slog::{Drain, Duplicate, Logger, PushFnValue, Record, info, o};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A service has a batch processor and an OTLP exporter here.
    let exporter = InMemoryLogExporter::default();
    let logs = SdkLoggerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();

    let message = PushFnValue(|record: &Record<'_>, serializer| serializer.emit(record.msg()));
    let json = slog_json::Json::new(io::stdout()).add_key_value(o!("message" => message));
    let file = Mutex::new(json.build());
    let lanes = Stamp::new(Duplicate(OtelDrain::new(&logs), file)).ignore_res();
    let log = Logger::root(lanes, o!("component" => "checkout"));

    let tracer = SdkTracerProvider::builder().build().tracer("log_line");
    let _inside = Context::current_with_span(tracer.start("place order")).attach();
    info!(log, "order placed"; "event.name" => "order.placed", "shop.order.items" => 3);

    #[expect(clippy::print_stdout, reason = "it is what the example shows")]
    for emitted in exporter.get_emitted_logs()? {
        println!("{:#?}", emitted.record);
    }
    logs.shutdown()?;
    Ok(())
}
