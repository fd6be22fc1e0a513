use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::logs::Severity;
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use otel_slog::{OtelDrain, Stamp};
use slog::{Drain, FnValue, Level, Logger, info, o, warn};

use crate::capture::emitted;

/// A processor that takes WARN and above, of one target only if told so.
#[derive(Debug)]
struct WarnAndAbove {
    target: Option<&'static str>,
}

impl LogProcessor for WarnAndAbove {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        assert!(
            record.severity_number() >= Some(Severity::Warn),
            "not enabled, but emitted"
        );
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn event_enabled(&self, level: Severity, target: &str, _: Option<&str>) -> bool {
        level >= Severity::Warn && self.target.is_none_or(|only| only == target)
    }
}

fn provider(target: Option<&'static str>) -> SdkLoggerProvider {
    SdkLoggerProvider::builder()
        .with_log_processor(WarnAndAbove { target })
        .build()
}

#[test]
fn a_level_is_enabled_when_the_provider_says_so() {
    let drain = Stamp::new(OtelDrain::new(&provider(None)));
    assert!(drain.is_enabled(Level::Critical));
    assert!(drain.is_enabled(Level::Warning));
    assert!(!drain.is_enabled(Level::Info));
}

#[test]
fn a_record_that_is_not_enabled_is_not_even_collected() {
    let collected = AtomicBool::new(false);
    let probe = FnValue(|_: &slog::Record<'_>| collected.store(true, Ordering::Relaxed));
    let log = Logger::root(OtelDrain::new(&provider(None)).fuse(), o!());
    info!(log, "m"; "probe" => &probe);
    assert!(!collected.load(Ordering::Relaxed));
    warn!(log, "m"; "probe" => &probe);
    assert!(collected.load(Ordering::Relaxed));
}

#[test]
fn the_provider_is_asked_with_the_records_target() {
    let collected = AtomicBool::new(false);
    let probe = FnValue(|_: &slog::Record<'_>| collected.store(true, Ordering::Relaxed));
    let log = Logger::root(OtelDrain::new(&provider(Some("wanted"))).fuse(), o!());
    warn!(log, "m"; "probe" => &probe);
    assert!(!collected.load(Ordering::Relaxed));
    warn!(log, # "wanted", "m"; "probe" => &probe);
    assert!(collected.load(Ordering::Relaxed));
}

#[test]
fn suppressed_telemetry_emits_nothing() {
    let records = emitted(|log| {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        info!(log, "from an exporter");
    });
    assert!(records.is_empty(), "{records:?}");
}

#[test]
fn flushing_is_no_error() {
    let drain = Stamp::new(OtelDrain::new(&provider(None)));
    assert!(drain.flush().is_ok());
}
