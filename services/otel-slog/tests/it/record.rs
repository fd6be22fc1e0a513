use std::time::SystemTime;

use opentelemetry::logs::AnyValue;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, Key};
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_slog::{OtelDrain, Stamp};
use slog::{Drain, Logger, info, o};

use crate::capture::{all, attribute, one, provider, text};

#[test]
fn the_message_is_the_body() {
    let literal = one(|log| info!(log, "order placed"));
    assert_eq!(literal.record.body(), Some(&AnyValue::from("order placed")));
    let formatted = one(|log| info!(log, "order {} placed", 7));
    assert_eq!(
        formatted.record.body(),
        Some(&AnyValue::from("order 7 placed"))
    );
}

#[test]
fn the_time_is_that_of_the_call() {
    let before = SystemTime::now();
    let emitted = one(|log| info!(log, "m"));
    let time = emitted.record.timestamp().expect("a timestamp");
    assert!(before <= time && time <= SystemTime::now(), "{time:?}");
}

#[test]
fn the_ids_are_those_of_the_callers_span() {
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let context = Context::new().with_span(tracer.start("work"));
    let emitted = one(|log| {
        let _entered = context.clone().attach();
        info!(log, "m");
    });
    let ids = emitted.record.trace_context().expect("ids");
    assert_eq!(ids.trace_id, context.span().span_context().trace_id());
    assert_eq!(ids.span_id, context.span().span_context().span_id());
    assert_eq!(one(|log| info!(log, "m")).record.trace_context(), None);
}

#[test]
fn the_place_of_the_call_is_named() {
    let emitted = one(|log| info!(log, "m"));
    assert_eq!(attribute(&emitted, "target"), text("it::record"));
    let file = attribute(&emitted, "code.file.path");
    assert!(
        format!("{file:?}").contains("tests/it/record.rs"),
        "{file:?}"
    );
    assert!(matches!(
        attribute(&emitted, "code.line.number"),
        Some(AnyValue::Int(1..))
    ));
}

#[test]
fn a_tag_is_the_target_and_a_key_overrides_it() {
    let tagged = one(|log| info!(log, # "sqlx::query", "m"));
    assert_eq!(attribute(&tagged, "target"), text("sqlx::query"));
    let keyed = one(|log| info!(log, # "sqlx::query", "m"; "target" => "mine"));
    assert_eq!(attribute(&keyed, "target"), text("mine"));
}

#[test]
fn an_unknown_place_is_left_out() {
    let location = slog::RecordLocation {
        file: "",
        line: 0,
        column: 0,
        function: "",
        module: "",
    };
    let fixed = slog::RecordStatic {
        location: &location,
        tag: "",
        level: slog::Level::Info,
    };
    let emitted = one(|log| log.log(&slog::Record::new(&fixed, &format_args!("m"), slog::b!())));
    assert_eq!(emitted.record.attributes_iter().count(), 0);
}

#[test]
fn the_scope_keeps_its_name() {
    let emitted = one(|log| info!(log, # "tag", "m"; "event.name" => "order.placed"));
    assert_eq!(emitted.instrumentation.name(), "otel-slog");
    assert_eq!(
        emitted.instrumentation.version(),
        Some(env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(
        emitted.record.target(),
        None,
        "exporters put it in the place of the scope's name"
    );
    assert_eq!(emitted.record.event_name(), None);
    assert_eq!(attribute(&emitted, "event.name"), text("order.placed"));
}

#[test]
fn the_newest_of_equal_keys_wins() {
    let emitted = one(|log| {
        let parent = log.new(o!("a" => "parent", "b" => "parent", "c" => "parent"));
        let child = parent.new(o!("a" => "child", "b" => "child"));
        info!(child, "m"; "a" => "earlier", "a" => "later");
    });
    assert_eq!(attribute(&emitted, "a"), text("later"));
    assert_eq!(attribute(&emitted, "b"), text("child"));
    assert_eq!(attribute(&emitted, "c"), text("parent"));
}

#[test]
fn the_names_of_a_stamp_are_never_attributes() {
    let (provider, exporter) = provider();
    let log = Logger::root(Stamp::new(OtelDrain::new(&provider)).fuse(), o!());
    info!(log, "m"; "trace_id" => "forged", "span_id" => "forged", "trace_flags" => "ff", "timestamp" => "noon");
    let records = exporter.get_emitted_logs().expect("the exporter is alive");
    let names: Vec<&Key> = records[0]
        .record
        .attributes_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(
        names.iter().map(|key| key.as_str()).collect::<Vec<_>>(),
        ["target", "code.file.path", "code.line.number"]
    );
}

#[test]
fn without_a_stamp_those_names_are_the_callers() {
    let emitted = one(|log| info!(log, "m"; "trace_id" => "kept"));
    assert_eq!(all(&emitted, "trace_id"), [AnyValue::from("kept")]);
}
