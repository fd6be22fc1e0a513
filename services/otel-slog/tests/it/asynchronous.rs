//! The stamp survives the hop to slog-async's thread, and both lanes hold the same one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::logs::in_memory_exporter::LogDataWithResource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_slog::{OtelDrain, Stamp, Stamped};
use serde_json::Value;
use slog::{Drain, Duplicate, Logger, Never, OwnedKVList, Record, info, o};

use crate::capture::{Buffer, provider};

/// What `statement` leaves in the OpenTelemetry lane and in a file behind slog-async.
fn both_lanes(statement: impl FnOnce(&Logger)) -> (LogDataWithResource, Value) {
    let (provider, exporter) = provider();
    let buffer = Buffer::default();
    let json = slog_json::Json::new(buffer.clone()).build();
    let (file, guard) = slog_async::Async::new(json.fuse()).build_with_guard();
    let log = Logger::root(
        Stamp::new(Duplicate(OtelDrain::new(&provider), file)).ignore_res(),
        o!(),
    );
    statement(&log);
    // The worker has written everything when its guard is gone.
    drop(guard);
    let line = serde_json::from_slice(&buffer.bytes()).expect("one object");
    let mut records = exporter.get_emitted_logs().expect("the exporter is alive");
    (records.remove(0), line)
}

#[test]
fn time_and_ids_survive_the_hop_and_are_the_same_in_both_lanes() {
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let context = Context::new().with_span(tracer.start("work"));
    let (record, line) = both_lanes(|log| {
        let _entered = context.clone().attach();
        info!(log, "m"; "key" => 1);
    });
    let span = context.span().span_context().clone();
    assert_eq!(line["trace_id"], span.trace_id().to_string());
    assert_eq!(line["span_id"], span.span_id().to_string());
    assert_eq!(line["trace_flags"], "01");
    assert_eq!(line["key"], 1);

    let ids = record.record.trace_context().expect("ids");
    assert_eq!(
        (ids.trace_id, ids.span_id, ids.trace_flags),
        (span.trace_id(), span.span_id(), Some(span.trace_flags()))
    );
    let time = record.record.timestamp().expect("a timestamp");
    let written = line["timestamp"].as_str().expect("a timestamp");
    assert_eq!(written, humantime::format_rfc3339_nanos(time).to_string());
    assert_eq!(written.len(), "2026-11-22T16:52:35.123456789Z".len());
}

#[test]
fn outside_a_span_the_ids_are_absent() {
    let (record, line) = both_lanes(|log| info!(log, "m"));
    assert_eq!(record.record.trace_context(), None);
    for key in ["trace_id", "span_id", "trace_flags"] {
        assert_eq!(line.get(key), None);
    }
    assert!(line["timestamp"].is_string());
}

#[test]
fn the_level_tag_place_and_message_of_a_stamped_record_stay() {
    struct Probe;

    impl Drain for Probe {
        type Ok = ();
        type Err = Never;

        fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), Never> {
            assert_eq!(record.level(), slog::Level::Info);
            assert_eq!(record.tag(), "tag");
            assert_eq!(record.module(), module_path!());
            assert_eq!(record.msg().to_string(), "m 1");
            assert!(record.line() > 0 && record.file() == file!());
            Ok(())
        }
    }

    info!(Logger::root(Stamp::new(Probe).fuse(), o!()), # "tag", "m {}", 1);
}

#[test]
fn a_stamp_is_taken_back_after_the_record_even_by_a_panic() {
    struct Panics;

    impl Drain for Panics {
        type Ok = ();
        type Err = Never;

        fn log(&self, _: &Record<'_>, _: &OwnedKVList) -> Result<(), Never> {
            assert!(
                Stamped::current().is_some(),
                "published to the drains below"
            );
            panic!("a drain failed");
        }
    }

    let log = Logger::root(Stamp::new(Panics).fuse(), o!());
    let outcome = catch_unwind(AssertUnwindSafe(|| info!(log, "m")));
    assert!(outcome.is_err());
    assert_eq!(Stamped::current(), None);
}

#[test]
fn a_drain_that_logs_gives_the_outer_stamp_back() {
    struct Nested(Logger);

    impl Drain for Nested {
        type Ok = ();
        type Err = Never;

        fn log(&self, _: &Record<'_>, _: &OwnedKVList) -> Result<(), Never> {
            let outer = Stamped::current();
            info!(self.0, "from inside a drain");
            assert_eq!(Stamped::current(), outer);
            Ok(())
        }
    }

    let inner = Logger::root(Stamp::new(slog::Discard).fuse(), o!());
    info!(Logger::root(Stamp::new(Nested(inner)).fuse(), o!()), "m");
}
