//! The drain.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::SystemTime;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{LogRecord, Logger, LoggerProvider, Severity};
use slog::{Drain, FlushError, Level, Never, OwnedKVList, Record};

use crate::values::text;
use crate::{Fields, Stamped};

/// Emits slog records through an OpenTelemetry logger, on the caller's thread.
///
/// Put it *before* any drain that changes threads: a record that crossed one has lost its span.
/// It never waits and never fails; batching and its limits are the provider's.
pub struct OtelDrain<L> {
    /// slog wants drains to be unwind safe. That holds: a panic below leaves nothing of this drain half done, as it
    /// has no state.
    logger: AssertUnwindSafe<L>,
}

impl<L: Logger> OtelDrain<L> {
    /// A drain into the logger named `otel-slog` of `provider`.
    pub fn new<P>(provider: &P) -> Self
    where
        P: LoggerProvider<Logger = L>,
    {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Self {
            logger: AssertUnwindSafe(provider.logger_with_scope(scope)),
        }
    }
}

/// The severity of a slog level. Its [`Severity::name`] is the severity text.
pub fn severity(level: Level) -> Severity {
    match level {
        Level::Critical => Severity::Fatal,
        Level::Error => Severity::Error,
        Level::Warning => Severity::Warn,
        Level::Info => Severity::Info,
        Level::Debug => Severity::Debug,
        Level::Trace => Severity::Trace,
    }
}

/// What names the origin of a record: its tag, or else its module.
pub(crate) fn target<'a>(record: &'a Record<'_>) -> &'a str {
    match record.tag() {
        "" => record.module(),
        tag => tag,
    }
}

impl<L: Logger> Drain for OtelDrain<L> {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        let severity = severity(record.level());
        if !self.logger.event_enabled(severity, target(record), None) {
            return Ok(());
        }
        let mut log_record = self.logger.create_log_record();
        log_record.set_severity_number(severity);
        log_record.set_severity_text(severity.name());
        log_record.set_body(text(record.msg()));
        match Stamped::current() {
            Some(stamped) => {
                log_record.set_timestamp(stamped.time());
                if let Some((trace_id, span_id, flags)) = stamped.ids() {
                    log_record.set_trace_context(trace_id, span_id, Some(flags));
                }
            }
            None => log_record.set_timestamp(SystemTime::now()),
        }
        log_record.add_attributes(Fields::collect(record, values).into_attributes());
        self.logger.emit(log_record);
        Ok(())
    }

    fn is_enabled(&self, level: Level) -> bool {
        self.logger.event_enabled(severity(level), "", None)
    }

    /// Nothing waits here: flushing is the provider's business.
    fn flush(&self) -> Result<(), FlushError> {
        Ok(())
    }
}

impl<L> fmt::Debug for OtelDrain<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtelDrain").finish_non_exhaustive()
    }
}
