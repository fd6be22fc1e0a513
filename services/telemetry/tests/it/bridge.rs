//! What libraries say, in the lanes it belongs to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use log::Log;
use opentelemetry::Context;
use opentelemetry::logs::{LogRecord, Logger as _, LoggerProvider};
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{BatchLogProcessor, LogBatch, LogExporter, SdkLoggerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::{Value, json};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use crate::file::Lanes;
use crate::process::Metrics;

/// Runs `f` where the bridge listens to `tracing`.
fn heard(lanes: &Lanes, f: impl FnOnce()) {
    let subscriber = Registry::default().with(lanes.guard.bridge().layer());
    tracing::subscriber::with_default(subscriber, f);
}

/// What both lanes hold after `f`: lines of the file, and the number of records of the other.
fn said(f: impl FnOnce()) -> (Vec<Value>, usize) {
    let lanes = Lanes::start();
    heard(&lanes, f);
    (lanes.lines(), lanes.records().len())
}

fn pick<const N: usize>(line: &Value, keys: [&str; N]) -> [Value; N] {
    keys.map(|key| line[key].clone())
}

#[test]
fn a_warning_of_a_library_is_a_record_with_its_target_and_fields() {
    let (lines, sent) = said(|| {
        tracing::warn!(target: "sqlx::query", rows = 7_u64, slow = true, took = 1.5, table = "orders", "slow {}", "query");
        tracing::error!(target: "hyper", "gone");
    });
    assert_eq!(sent, 2);
    let keys = [
        "level",
        "message",
        "target",
        "event.name",
        "service",
        "rows",
        "slow",
        "took",
        "table",
    ];
    let expected = json!([
        "WARN",
        "slow query",
        "sqlx::query",
        "library.message",
        "order",
        7,
        true,
        1.5,
        "orders"
    ]);
    assert_eq!(json!(pick(&lines[0], keys)), expected);
    assert_eq!(
        json!(pick(&lines[1], ["level", "message", "target"])),
        json!(["ERROR", "gone", "hyper"])
    );
    assert_eq!(lines[0].get("attribute.message"), None, "told once");
    assert!(
        lines[0]["code.file.path"]
            .as_str()
            .unwrap()
            .ends_with("bridge.rs")
    );
}

#[test]
fn less_than_a_warning_is_not_heard() {
    let (lines, sent) = said(|| {
        tracing::info!(target: "hyper", "chatter");
        tracing::debug!(target: "hyper", "chatter");
        let _span = tracing::warn_span!("a span is no event").entered();
    });
    assert_eq!((lines.len(), sent), (0, 0));
}

#[test]
fn an_error_field_tells_its_chain() {
    let error = std::io::Error::other("refused");
    let error: &(dyn std::error::Error + 'static) = &error;
    let (lines, _) = said(|| tracing::warn!(target: "hyper", error, "gone"));
    let found = pick(&lines[0], ["exception.type", "exception.message"]);
    assert_eq!(json!(found), json!(["std::io::Error", "refused"]));
}

#[test]
fn a_librarys_message_belongs_to_the_span_it_was_said_in() {
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    let context = Context::new().with_span(tracer.start("work"));
    let (lines, _) = said(|| {
        let _entered = context.clone().attach();
        tracing::warn!(target: "hyper", "gone");
    });
    assert_eq!(
        lines[0]["trace_id"],
        context.span().span_context().trace_id().to_string()
    );
}

#[test]
fn what_telemetry_says_is_in_the_file_and_never_sent() {
    let (lines, sent) = said(|| {
        tracing::error!(target: "opentelemetry_sdk", name = "Export.Failed", reason = "refused");
        tracing::warn!(target: "opentelemetry-otlp", "partial success");
        tracing::warn!(target: "telemetry::delivery", "gave up");
    });
    assert_eq!(sent, 0);
    let names: Vec<_> = lines
        .iter()
        .map(|line| pick(line, ["event.name", "message"]))
        .collect();
    let expected = json!([
        ["telemetry.diagnostic", "Export.Failed"],
        ["telemetry.diagnostic", "partial success"],
        ["telemetry.diagnostic", "gave up"],
    ]);
    assert_eq!(json!(names), expected);
    assert_eq!(lines[0]["reason"], "refused");
}

#[test]
fn what_is_said_inside_suppressed_telemetry_is_in_the_file_and_never_sent() {
    let (lines, sent) = said(|| {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        tracing::warn!(target: "hyper_util::client", "connection lost");
    });
    assert_eq!(sent, 0);
    assert_eq!(lines[0]["event.name"], "telemetry.diagnostic");
}

#[test]
fn telemetry_that_repeats_itself_is_heard_once_and_counted() {
    let metrics = Metrics::start();
    let lanes = Lanes::start_with(&metrics.provider, |_| ());
    let limited = || {
        metrics.sum(
            "shop.log.dropped",
            &[("lane", "bridge"), ("reason", "rate_limited")],
        )
    };
    assert_eq!(limited(), 0.0);
    heard(&lanes, || {
        for attempt in 0..5 {
            tracing::error!(target: "opentelemetry-otlp", attempt, "refused");
        }
    });
    assert_eq!(limited(), 4.0);
    let lines = lanes.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["attempt"], 0);
}

/// Counts the events it sees.
struct Counts(Arc<AtomicU64>);

impl<S: tracing::Subscriber> Layer<S> for Counts {
    fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_bridges_filter_is_its_own() {
    let lanes = Lanes::start();
    let count = Arc::new(AtomicU64::new(0));
    let subscriber = Registry::default()
        .with(lanes.guard.bridge().layer())
        .with(Counts(Arc::clone(&count)));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("for others");
        tracing::trace!("for others");
    });
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[test]
fn the_log_crate_is_heard_by_the_same_rules() {
    let lanes = Lanes::start();
    let bridge = lanes.guard.bridge();
    let say = |level, target, text: &str| {
        let args = format_args!("half {text}");
        let record = log::Record::builder()
            .level(level)
            .target(target)
            .module_path_static(Some("old::module"))
            .line(Some(7))
            .file_static(Some("old.rs"))
            .args(args)
            .build();
        bridge.log(&record);
    };
    say(log::Level::Warn, "old", "full");
    say(log::Level::Error, "opentelemetry_sdk", "refused");
    say(log::Level::Info, "old", "chatter");
    let lines = lanes.lines();
    let keys = [
        "level",
        "message",
        "target",
        "event.name",
        "code.file.path",
        "code.line.number",
    ];
    let expected = json!(["WARN", "half full", "old", "library.message", "old.rs", 7]);
    assert_eq!(json!(pick(&lines[0], keys)), expected);
    assert_eq!(lines[1]["event.name"], "telemetry.diagnostic");
    assert_eq!((lines.len(), lanes.records().len()), (2, 1));
}

/// An exporter that never ends its first export.
#[derive(Debug)]
struct Stuck(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

impl LogExporter for Stuck {
    async fn export(&self, _: LogBatch<'_>) -> OTelSdkResult {
        // Ends when the test drops its sender.
        self.0.lock().unwrap().recv().ok();
        Ok(())
    }
}

#[test]
fn a_full_queue_of_the_sdk_is_told_once_and_tells_itself_nothing() {
    let lanes = Lanes::start();
    let (release, wait) = std::sync::mpsc::channel();
    let batching = opentelemetry_sdk::logs::BatchConfigBuilder::default()
        .with_max_queue_size(1)
        .with_max_export_batch_size(1)
        .build();
    let processor = BatchLogProcessor::builder(Stuck(std::sync::Mutex::new(wait)))
        .with_batch_config(batching)
        .build();
    let provider = SdkLoggerProvider::builder()
        .with_log_processor(processor)
        .build();
    let logger = provider.logger("test");
    heard(&lanes, || {
        for _ in 0..100 {
            let mut record = logger.create_log_record();
            record.set_body("m".into());
            logger.emit(record);
        }
    });
    drop(release);
    let lines = lanes.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["event.name"], "telemetry.diagnostic");
    assert_eq!(lanes.records().len(), 0);
    drop(provider.shutdown());
}
