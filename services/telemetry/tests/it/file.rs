//! The file lane, and its likeness to the OTLP lane.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry::logs::AnyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::logs::in_memory_exporter::LogDataWithResource;
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_slog::OtelDrain;
use serde_json::{Value, json};
use slog::{Logger, crit, debug, error, info, o, trace, warn};
use telemetry::config::LogConfig;
use telemetry::log::{Guard, LogReport, build};
use telemetry_testing::{Sink, poll};
use tempfile::TempDir;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::greeter;

/// A log of two lanes: a file in a directory of its own, and OpenTelemetry in memory.
pub(crate) struct Lanes {
    pub(crate) log: Logger,
    pub(crate) guard: Guard,
    otel: InMemoryLogExporter,
    dir: TempDir,
}

impl Lanes {
    pub(crate) fn start() -> Self {
        let meters = SdkMeterProvider::builder().build();
        Self::start_with(&meters, |_| ())
    }

    pub(crate) fn start_with(
        meters: &SdkMeterProvider,
        change: impl FnOnce(&mut LogConfig),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = LogConfig {
            dir: dir.path().to_owned(),
            level: slog::Level::Info,
            console: Some(false),
            file_max: 64 * 1024 * 1024,
            file_keep: 3,
        };
        change(&mut config);
        let otel = InMemoryLogExporter::default();
        let loggers = SdkLoggerProvider::builder()
            .with_simple_exporter(otel.clone())
            .build();
        let (log, guard) = build(
            "order",
            "order",
            &config,
            &meters.meter("test"),
            OtelDrain::new(&loggers),
        )
        .unwrap();
        Self {
            log,
            guard,
            otel,
            dir,
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("rust_app_order.log")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn end(&self) -> LogReport {
        self.guard
            .shutdown(Instant::now() + Duration::from_secs(30))
    }

    /// All lines of the file, after the end of the log.
    pub(crate) fn lines(&self) -> Vec<Value> {
        assert_eq!(
            self.end(),
            LogReport {
                lost: 0,
                is_complete: true
            }
        );
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        self.text().lines().map(parse).collect()
    }

    pub(crate) fn records(&self) -> Vec<LogDataWithResource> {
        self.otel.get_emitted_logs().unwrap()
    }
}

fn span() -> Context {
    let tracer = SdkTracerProvider::builder().build().tracer("test");
    Context::new().with_span(tracer.start("work"))
}

fn keys(line: &Value) -> Vec<&str> {
    line.as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn a_record_in_a_span_is_one_line_with_the_keys_of_the_contract() {
    let lanes = Lanes::start();
    let context = span();
    {
        let _entered = context.clone().attach();
        info!(lanes.log, "Order placed"; "event.name" => "order.placed", "items" => 3);
    }
    let lines = lanes.lines();
    let ids = context.span().span_context().clone();
    let (time, number) = (
        lines[0]["timestamp"].clone(),
        lines[0]["code.line.number"].clone(),
    );
    let expected = json!({
        "timestamp": time,
        "level": "INFO",
        "message": "Order placed",
        "trace_id": ids.trace_id().to_string(),
        "span_id": ids.span_id().to_string(),
        "trace_flags": "01",
        "service": "order",
        "target": "it::file",
        "code.file.path": file!(),
        "code.line.number": number,
        "event.name": "order.placed",
        "items": 3,
    });
    assert_eq!(lines, [expected]);
    let time = time.as_str().unwrap();
    assert_eq!(time.len(), "2026-11-22T16:52:35.123456789Z".len(), "{time}");
    assert!(humantime::parse_rfc3339(time).is_ok(), "{time}");
    let start = r#"{"timestamp":"2"#;
    assert!(
        lanes.text().starts_with(start),
        "a person reads the start of a line"
    );
}

#[test]
fn outside_a_span_the_ids_are_absent() {
    let lanes = Lanes::start();
    info!(lanes.log, "m");
    let keys = lanes
        .lines()
        .iter()
        .map(|line| keys(line).join(" "))
        .collect::<String>();
    assert!(!keys.contains("trace") && !keys.contains("span"), "{keys}");
}

#[test]
fn levels_are_full_words_and_the_least_is_configured() {
    let level = |level| {
        let lanes = Lanes::start_with(&SdkMeterProvider::default(), |config| config.level = level);
        crit!(lanes.log, "m");
        error!(lanes.log, "m");
        warn!(lanes.log, "m");
        info!(lanes.log, "m");
        debug!(lanes.log, "m");
        trace!(lanes.log, "m");
        let lines = lanes.lines();
        assert_eq!(lines.len(), lanes.records().len());
        lines
            .iter()
            .map(|line| line["level"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        level(slog::Level::Trace),
        ["FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"]
    );
    assert_eq!(level(slog::Level::Info), ["FATAL", "ERROR", "WARN", "INFO"]);
    assert_eq!(level(slog::Level::Error), ["FATAL", "ERROR"]);
}

/// What the OTLP lane holds, written as the file lane would.
fn as_line(record: &LogDataWithResource) -> Value {
    let record = &record.record;
    let text = |value: &AnyValue| match value {
        AnyValue::String(text) => json!(text.as_str()),
        AnyValue::Int(int) => json!(int),
        AnyValue::Double(double) => json!(double),
        AnyValue::Boolean(boolean) => json!(boolean),
        other => json!(format!("{other:?}")),
    };
    let mut line: BTreeMap<String, Value> = record
        .attributes_iter()
        .map(|(key, value)| (key.to_string(), text(value)))
        .collect();
    let time = humantime::format_rfc3339_nanos(record.timestamp().unwrap());
    line.insert("timestamp".into(), json!(time.to_string()));
    // Over OTLP the resource says it.
    line.insert("service".into(), json!("order"));
    line.insert("level".into(), json!(record.severity_text().unwrap()));
    line.insert("message".into(), text(record.body().unwrap()));
    if let Some(ids) = record.trace_context() {
        line.insert("trace_id".into(), json!(ids.trace_id.to_string()));
        line.insert("span_id".into(), json!(ids.span_id.to_string()));
        let flags = ids.trace_flags.unwrap().to_u8();
        line.insert("trace_flags".into(), json!(format!("{flags:02x}")));
    }
    json!(line)
}

#[test]
fn both_lanes_hold_the_same_records_with_the_same_time_and_ids() {
    let lanes = Lanes::start();
    let context = span();
    let child = lanes.log.new(o!("component" => "store", "order" => 1));
    info!(lanes.log, "outside a span");
    {
        let _entered = context.attach();
        info!(child, "inside {}", 1; "order" => 2, "huge" => u64::MAX, "ratio" => 0.5, "open" => true);
        error!(child, "failed"; "error" => std::io::Error::other("disk full"));
        warn!(child, "line one\nline two\u{0}\u{1b}[31m\u{7f}\u{2028}\"\\"; "key" => "\r\n\t\u{8}");
        info!(child, "{}", "x".repeat(64 * 1024));
        let subscriber = Registry::default().with(lanes.guard.bridge().layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "sqlx::query", rows = 7_u64, "slow\nquery");
        });
    }
    let emitted: Vec<Value> = lanes.records().iter().map(as_line).collect();
    assert_eq!(lanes.lines(), emitted);
    assert_eq!(emitted.len(), 6);
}

#[test]
fn control_characters_and_long_messages_stay_one_line() {
    let lanes = Lanes::start();
    let message = "line one\nline two\r\u{0}\u{1b}[31m\u{7f}\"\\";
    let long = "é\n".repeat(32 * 1024);
    info!(lanes.log, "{}", message; "value" => message);
    info!(lanes.log, "{}", long);
    let lines = lanes.lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["message"], message);
    assert_eq!(lines[0]["value"], message);
    assert_eq!(lines[1]["message"], long);
    assert!(
        lanes
            .text()
            .bytes()
            .all(|byte| byte == b'\n' || byte >= b' ')
    );
}

#[test]
fn an_attribute_never_takes_the_place_of_a_lines_own_key() {
    let lanes = Lanes::start();
    info!(lanes.log, "mine"; "message" => "yours", "level" => 7, "trace_id" => "forged");
    let line = &lanes.lines()[0];
    assert_eq!(line["message"], "mine");
    assert_eq!(line["attribute.message"], "yours");
    assert_eq!(line["attribute.level"], 7);
    assert_eq!(line.get("trace_id"), None);
    let names: BTreeSet<&str> = keys(line).into_iter().collect();
    assert_eq!(
        lanes.text().matches("\":").count(),
        names.len(),
        "each key is there once"
    );
}

#[test]
fn a_line_is_in_the_file_soon_without_being_asked_for() {
    let lanes = Lanes::start();
    info!(lanes.log, "first");
    let logged = Instant::now();
    poll("the line in the file", || match lanes.text() {
        text if text.ends_with("}\n") => Ok(()),
        text => Err(text),
    });
    // 200 ms are promised; the rest is for a machine that does something else at the same time.
    assert!(
        logged.elapsed() < Duration::from_secs(5),
        "{:?}",
        logged.elapsed()
    );
}

#[test]
fn lines_of_many_threads_are_all_there_whole_and_in_the_order_of_each() {
    let lanes = Lanes::start_with(&SdkMeterProvider::default(), |config| {
        config.file_max = 64 * 1024;
        config.file_keep = 20;
    });
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let log = lanes.log.new(o!("thread" => thread));
            scope.spawn(move || (0..500).for_each(|n| info!(log, "m"; "n" => n)));
        }
    });
    assert_eq!(
        lanes.end(),
        LogReport {
            lost: 0,
            is_complete: true
        }
    );
    let mut text = String::new();
    for age in (1..=20).rev() {
        text +=
            &fs::read_to_string(format!("{}.{age}", lanes.path().display())).unwrap_or_default();
    }
    assert!(!text.is_empty(), "the file was rotated");
    text += &lanes.text();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for thread in 0..4 {
        let own = lines.iter().filter(|line| line["thread"] == thread);
        let numbers: Vec<u64> = own.map(|line| line["n"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    }
}

#[test]
fn a_moved_file_is_left_when_the_rotator_asks() {
    let lanes = Lanes::start();
    info!(lanes.log, "before");
    poll("the first line", || {
        lanes
            .text()
            .contains("before")
            .then_some(())
            .ok_or(lanes.text())
    });
    fs::rename(lanes.path(), lanes.dir.path().join("moved")).unwrap();
    lanes.guard.reopen().store(true, Ordering::Relaxed);
    info!(lanes.log, "after");
    assert_eq!(lanes.lines()[0]["message"], "after");
}

#[test]
fn a_failed_rotation_is_told_in_the_file_itself() {
    let lanes = Lanes::start_with(&SdkMeterProvider::default(), |config| {
        config.file_max = 1;
        config.file_keep = 1;
    });
    fs::create_dir_all(lanes.dir.path().join("rust_app_order.log.1/in/the/way")).unwrap();
    info!(lanes.log, "one");
    poll("the first line", || {
        lanes
            .text()
            .contains("one")
            .then_some(())
            .ok_or(lanes.text())
    });
    info!(lanes.log, "two");
    poll("the complaint", || {
        lanes
            .text()
            .contains("telemetry.diagnostic")
            .then_some(())
            .ok_or(lanes.text())
    });
    let lines = lanes.lines();
    let complaint = lines
        .iter()
        .find(|line| line["event.name"] == "telemetry.diagnostic")
        .unwrap();
    assert!(
        complaint["message"]
            .as_str()
            .unwrap()
            .contains("Could not rename"),
        "{complaint}"
    );
    assert_eq!(lanes.records().len(), 2, "the complaint is not sent");
}

#[test]
fn a_value_that_logs_while_it_is_formatted_is_no_trouble() {
    struct Talks(Logger);

    impl std::fmt::Display for Talks {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            info!(self.0, "inner");
            f.write_str("outer")
        }
    }

    let lanes = Lanes::start();
    info!(lanes.log, "{}", Talks(lanes.log.clone()); "key" => %Talks(lanes.log.clone()));
    let lines = lanes.lines();
    let outer = lines
        .iter()
        .find(|line| line["message"] == "outer")
        .unwrap();
    assert_eq!(outer["key"], "outer");
}

#[test]
fn after_the_end_a_record_is_no_panic() {
    let lanes = Lanes::start();
    assert_eq!(lanes.lines().len(), 0);
    info!(lanes.log, "late");
    assert_eq!(lanes.text(), "");
    assert_eq!(lanes.records().len(), 1);
}

#[test]
fn a_text_that_fails_is_kept_as_far_as_it_came() {
    struct BreaksOff;

    impl std::fmt::Display for BreaksOff {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("half")?;
            Err(std::fmt::Error)
        }
    }

    let lanes = Lanes::start();
    info!(lanes.log, "m {}", BreaksOff);
    assert_eq!(lanes.lines()[0]["message"], "m half");
}

#[test]
fn the_console_speaks_when_it_is_on_or_a_terminal() {
    let sink = Sink::start();
    // The child's stderr is a pipe.
    for (setting, is_heard) in [("on", true), ("off", false), ("auto", false)] {
        let child = greeter(&sink.endpoint(), &[("SHOP_LOG_CONSOLE", setting)]);
        child.listening();
        child.terminate();
        let exit = child.wait();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        let lines = exit.stderr.lines().filter(|line| line.contains("Z INFO "));
        assert_eq!(lines.count() > 0, is_heard, "{setting}: {}", exit.stderr);
        assert!(!exit.stderr.contains('\u{1b}'), "a pipe has no colours");
    }
}

#[test]
fn a_refused_directory_ends_the_start_and_tells_why() {
    let sink = Sink::start();
    let root = tempfile::tempdir().unwrap();
    let link = root.path().join("logs");
    std::os::unix::fs::symlink(root.path(), &link).unwrap();
    let link = link.display().to_string();
    let exit = greeter(&sink.endpoint(), &[("SHOP_LOG_DIR", &link)]).wait();
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    let told = format!("{link} is a symbolic link: remove it, or set SHOP_LOG_DIR");
    assert!(exit.stderr.contains(&told), "{}", exit.stderr);
}
