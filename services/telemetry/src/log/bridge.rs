//! What libraries say through `tracing` and `log`, as records of ours.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use log::{Log, Metadata, SetLoggerError};
use opentelemetry::Context;
use opentelemetry::metrics::BoundCounter;
use slog::{BorrowedKV, KV, Level, Logger, Record, RecordLocation, RecordStatic, Serializer, b};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer;
use tracing_subscriber::registry::LookupSpan;

use super::rate::RateLimit;
use contract::events;

/// Brings library events of WARN and above into the log, with their target, as `event.name=library.message`.
///
/// What telemetry says (targets `opentelemetry*`, `tracing_opentelemetry*`, `telemetry*`, and everything said inside
/// suppressed telemetry, where the delivery works) becomes `telemetry.diagnostic`. It goes to the file and the console only, as an
/// export that reports its own failure by export would never end; and once per target and message in 10 s, with a
/// count of the others in `suppressed`.
#[derive(Clone)]
pub struct Bridge {
    log: Logger,
    local: Logger,
    limit: Arc<RateLimit>,
    limited: BoundCounter<u64>,
}

/// One message of a library.
struct Message<'a> {
    level: Level,
    target: &'a str,
    text: &'a str,
    location: RecordLocation,
}

impl Bridge {
    pub(super) fn new(log: Logger, local: Logger, limited: BoundCounter<u64>) -> Self {
        Self {
            log,
            local,
            limit: Arc::default(),
            limited,
        }
    }

    /// A layer for the process's subscriber. Its filter is its own: spans and events of other layers are not touched.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let is_loud = |metadata: &tracing::Metadata<'_>| {
            metadata.is_event() && *metadata.level() <= tracing::Level::WARN
        };
        let filter = FilterFn::new(is_loud).with_max_level_hint(LevelFilter::WARN);
        Events(self.clone()).with_filter(filter)
    }

    /// Makes this the process's `log` logger.
    ///
    /// # Errors
    /// When the process has one already.
    pub fn install_log(&self) -> Result<(), SetLoggerError> {
        log::set_boxed_logger(Box::new(self.clone()))?;
        log::set_max_level(log::LevelFilter::Warn);
        Ok(())
    }

    fn emit(&self, message: &Message<'_>, keys: &dyn KV) {
        if !is_about_telemetry(message.target) && !Context::is_current_telemetry_suppressed() {
            let event = b!("event.name" => events::LIBRARY_MESSAGE);
            return send(&self.log, message, &(event, BorrowedKV(keys)));
        }
        let now = Instant::now();
        match self.limit.admit(message.target, message.text, now) {
            None => self.limited.add(1),
            Some(0) => {
                let event = b!("event.name" => events::TELEMETRY_DIAGNOSTIC);
                send(&self.local, message, &(event, BorrowedKV(keys)));
            }
            Some(suppressed) => {
                let event =
                    b!("event.name" => events::TELEMETRY_DIAGNOSTIC, "suppressed" => suppressed);
                send(&self.local, message, &(event, BorrowedKV(keys)));
            }
        }
    }
}

fn is_about_telemetry(target: &str) -> bool {
    let crates = ["opentelemetry", "tracing_opentelemetry", "telemetry"];
    crates.iter().any(|name| target.starts_with(name))
}

/// Logs the message with its target as tag, which is where the lanes take `target` from.
fn send(log: &Logger, message: &Message<'_>, keys: &dyn KV) {
    let fixed = RecordStatic {
        location: &message.location,
        tag: message.target,
        level: message.level,
    };
    let text = message.text;
    log.log(&Record::new(
        &fixed,
        &format_args!("{text}"),
        BorrowedKV(keys),
    ));
}

/// The bridge as a layer.
struct Events(Bridge);

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        let metadata = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        let text = text.message.or(text.name);
        let message = Message {
            level: match *metadata.level() {
                tracing::Level::ERROR => Level::Error,
                tracing::Level::WARN => Level::Warning,
                tracing::Level::INFO => Level::Info,
                tracing::Level::DEBUG => Level::Debug,
                tracing::Level::TRACE => Level::Trace,
            },
            target: metadata.target(),
            text: text.as_deref().unwrap_or(metadata.name()),
            location: RecordLocation {
                file: metadata.file().unwrap_or_default(),
                line: metadata.line().unwrap_or_default(),
                column: 0,
                function: "",
                module: metadata.module_path().unwrap_or_default(),
            },
        };
        self.0.emit(&message, &Keys(event));
    }
}

/// What an event says in words. OpenTelemetry's have no message, only a `name`.
#[derive(Default)]
struct Text {
    message: Option<String>,
    name: Option<String>,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = Some(format!("{value:?}")),
            "name" => self.name = Some(format!("{value:?}")),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// The fields of an event, but for its message.
struct Keys<'a>(&'a Event<'a>);

impl KV for Keys<'_> {
    fn serialize(&self, record: &Record<'_>, serializer: &mut dyn Serializer) -> slog::Result {
        let mut emit = Emit {
            record,
            serializer,
            result: Ok(()),
        };
        self.0.record(&mut emit);
        emit.result
    }
}

struct Emit<'a, 'b> {
    record: &'a Record<'b>,
    serializer: &'a mut dyn Serializer,
    result: slog::Result,
}

impl Emit<'_, '_> {
    fn value(&mut self, field: &Field, value: &dyn slog::Value) {
        if field.name() != "message" && self.result.is_ok() {
            self.result = value.serialize(self.record, field.name(), self.serializer);
        }
    }
}

impl Visit for Emit<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, &value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.value(field, &value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.value(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field, &value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.value(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.value(field, &format_args!("{value:?}"));
    }
}

impl Log for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        let message = Message {
            level: match record.level() {
                log::Level::Error => Level::Error,
                log::Level::Warn => Level::Warning,
                log::Level::Info => Level::Info,
                log::Level::Debug => Level::Debug,
                log::Level::Trace => Level::Trace,
            },
            target: record.target(),
            text: &text,
            location: RecordLocation {
                file: record.file_static().unwrap_or_default(),
                line: record.line().unwrap_or_default(),
                column: 0,
                function: "",
                module: record.module_path_static().unwrap_or_default(),
            },
        };
        self.emit(&message, &());
    }

    fn flush(&self) {}
}
