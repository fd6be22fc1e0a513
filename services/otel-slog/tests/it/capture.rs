//! A logger whose records come back as the SDK would export them.

use std::io;
use std::sync::{Arc, Mutex};

use opentelemetry::logs::AnyValue;
use opentelemetry_sdk::logs::in_memory_exporter::LogDataWithResource;
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
use otel_slog::OtelDrain;
use slog::{Drain, Logger, o};

/// A provider that exports into memory at once.
pub(crate) fn provider() -> (SdkLoggerProvider, InMemoryLogExporter) {
    let exporter = InMemoryLogExporter::default();
    let provider = SdkLoggerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    (provider, exporter)
}

/// What `f` logs, as exported.
pub(crate) fn emitted(f: impl FnOnce(&Logger)) -> Vec<LogDataWithResource> {
    let (provider, exporter) = provider();
    f(&Logger::root(OtelDrain::new(&provider).fuse(), o!()));
    exporter.get_emitted_logs().expect("the exporter is alive")
}

/// The one record that `f` logs.
pub(crate) fn one(f: impl FnOnce(&Logger)) -> LogDataWithResource {
    let mut records = emitted(f);
    assert_eq!(records.len(), 1, "one statement gives one record");
    records.remove(0)
}

/// All values of an attribute: more than one is a duplicate.
pub(crate) fn all(record: &LogDataWithResource, key: &str) -> Vec<AnyValue> {
    record
        .record
        .attributes_iter()
        .filter(|(name, _)| name.as_str() == key)
        .map(|(_, value)| value.clone())
        .collect()
}

/// The value of an attribute that occurs at most once.
pub(crate) fn attribute(record: &LogDataWithResource, key: &str) -> Option<AnyValue> {
    let mut values = all(record, key);
    assert!(values.len() < 2, "{key} occurs twice: {values:?}");
    values.pop()
}

/// The attribute `value` of what `f` logs.
pub(crate) fn value(f: impl FnOnce(&Logger)) -> Option<AnyValue> {
    attribute(&one(f), "value")
}

pub(crate) fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue::from(text.to_owned()))
}

/// A writer whose bytes stay readable.
#[derive(Clone, Default)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no panic while writing").clone()
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while writing").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
