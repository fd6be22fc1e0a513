//! Time and ids of a call, fixed before the record goes anywhere.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, SpanId, TraceFlags, TraceId};
use slog::{
    BorrowedKV, Drain, FlushError, KV, Level, OwnedKVList, Record, RecordStatic, Serializer,
};

use crate::fields::key;

/// The names a stamp puts on a record. Below a [`Stamp`] they are its own.
pub(crate) const RESERVED: [&str; 4] = ["timestamp", "trace_id", "span_id", "trace_flags"];

thread_local! {
    static CURRENT: Cell<Option<Stamped>> = const { Cell::new(None) };
}

/// Stamps every record with the time of the call and the ids of the caller's span, then hands it to `D`.
///
/// The record gets the keys `timestamp` (RFC 3339 in UTC with nine digits), `trace_id`, `span_id` (lower-case hex)
/// and `trace_flags` (two hex digits), the names of
/// [trace context in non-OTLP log formats](https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/).
/// Outside a span the three ids are absent, not zeros. As keys of the record they survive
/// `slog-async`, which evaluates the keys of loggers and drains on its own thread, where there is no span.
///
/// A drain on the same thread can read the values themselves from [`Stamped::current`]; [`OtelDrain`](crate::OtelDrain) does,
/// so that two lanes under one stamp never differ.
#[derive(Clone, Debug)]
pub struct Stamp<D> {
    inner: D,
}

impl<D> Stamp<D> {
    /// Stamps the records that go to `inner`.
    pub fn new(inner: D) -> Self {
        Self { inner }
    }
}

/// The time and the ids that a [`Stamp`] put on the record being logged. As [`KV`] it emits their four keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    time: SystemTime,
    ids: Option<(TraceId, SpanId, TraceFlags)>,
}

impl Stamped {
    /// The stamp of the record that this thread is logging; `None` where no [`Stamp`] is above.
    pub fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// When the record was logged.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// [`Self::time`] as its key `timestamp` tells it.
    pub fn timestamp(&self) -> impl fmt::Display + use<> {
        humantime::format_rfc3339_nanos(self.time)
    }

    /// The ids of the caller's span; `None` outside a span.
    pub fn ids(&self) -> Option<(TraceId, SpanId, TraceFlags)> {
        self.ids
    }

    fn now() -> Self {
        let ids = Context::map_current(|context| {
            let span = context.span();
            let span = span.span_context();
            span.is_valid()
                .then(|| (span.trace_id(), span.span_id(), span.trace_flags()))
        });
        Self {
            time: writable(SystemTime::now()),
            ids,
        }
    }
}

/// A time that can be written with a year of four digits: a clock far off must not end the caller in a panic.
fn writable(time: SystemTime) -> SystemTime {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST)
}

/// Publishes a stamp to the drains below and takes it back on drop, also when one of them panics.
struct Published(Option<Stamped>);

impl Published {
    fn new(stamped: Stamped) -> Self {
        Self(CURRENT.replace(Some(stamped)))
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

impl<D: Drain> Drain for Stamp<D> {
    type Ok = D::Ok;
    type Err = D::Err;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<D::Ok, D::Err> {
        let stamped = Stamped::now();
        let _published = Published::new(stamped);
        let fixed = RecordStatic {
            location: record.location(),
            tag: record.tag(),
            level: record.level(),
        };
        // The stamp comes first, as slog lists the newest key first.
        let keys = (stamped, record.kv());
        self.inner.log(
            &Record::new(&fixed, record.msg(), BorrowedKV(&keys)),
            values,
        )
    }

    fn is_enabled(&self, level: Level) -> bool {
        self.inner.is_enabled(level)
    }

    fn flush(&self) -> Result<(), FlushError> {
        self.inner.flush()
    }
}

impl KV for Stamped {
    fn serialize(&self, _: &Record<'_>, serializer: &mut dyn Serializer) -> slog::Result {
        let [timestamp, trace_id, span_id, trace_flags] = RESERVED.map(key);
        serializer.emit_arguments(timestamp, &format_args!("{}", self.timestamp()))?;
        if let Some((trace, span, flags)) = self.ids {
            serializer.emit_arguments(trace_id, &format_args!("{trace}"))?;
            serializer.emit_arguments(span_id, &format_args!("{span}"))?;
            serializer.emit_arguments(trace_flags, &format_args!("{:02x}", flags.to_u8()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_out_of_range_is_written_as_the_nearest_time() {
        let text = |time| humantime::format_rfc3339_nanos(writable(time)).to_string();
        assert_eq!(
            text(UNIX_EPOCH - Duration::from_secs(1)),
            "1970-01-01T00:00:00.000000000Z"
        );
        let far = UNIX_EPOCH + Duration::from_secs(300_000_000_000);
        assert_eq!(text(far), "9999-12-31T23:59:59.000000000Z");
    }
}
