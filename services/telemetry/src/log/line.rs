//! A record as one line of JSON.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io;
use std::rc::Rc;

use otel_slog::{Fields, Stamped, severity};
use slog::{BorrowedKV, Drain, KV, OwnedKVList, Record, RecordStatic, Serializer, o};
use slog_json::Json;

/// A buffer this large is given back after its line.
const KEEP: usize = 64 * 1024;

/// Hands `write` the record as one line, newline included. All of it happens on the caller's thread, where the span is.
pub(super) fn with_json(
    service: &str,
    record: &Record<'_>,
    values: &OwnedKVList,
    write: impl FnOnce(&[u8]),
) {
    let line = Line::new(service, record, values);
    let writer = Writer::take();
    let fixed = RecordStatic {
        location: record.location(),
        tag: "",
        level: record.level(),
    };
    let empty = format_args!("");
    let flat = Record::new(&fixed, &empty, BorrowedKV(&line));
    // Into memory, of values that are plain data by now: nothing is left to fail.
    if writer.json.log(&flat, &writer.none).is_ok() {
        write(&writer.bytes.borrow());
    }
    writer.give_back();
}

/// The message, as far as it can be formatted.
pub(super) fn message(record: &Record<'_>) -> String {
    let mut message = String::new();
    // A `Display` that fails has written what it could; `to_string` would panic.
    message.write_fmt(*record.msg()).ok();
    message
}

/// Everything a line holds, in its order. No code of the caller runs after this is made: a value that logs while it is
/// formatted would find the writer taken.
struct Line<'a> {
    service: &'a str,
    stamped: Option<Stamped>,
    level: &'static str,
    message: String,
    fields: Fields,
}

impl<'a> Line<'a> {
    fn new(service: &'a str, record: &Record<'_>, values: &OwnedKVList) -> Self {
        let mut fields = Fields::collect(record, values);
        // The line's own, and no stamp keeps them free.
        fields.rename("level", "attribute.level");
        fields.rename("message", "attribute.message");
        fields.rename("service", "attribute.service");
        Self {
            service,
            stamped: Stamped::current(),
            level: severity(record.level()).name(),
            message: message(record),
            fields,
        }
    }
}

impl KV for Line<'_> {
    fn serialize(&self, record: &Record<'_>, serializer: &mut dyn Serializer) -> slog::Result {
        if let Some(stamped) = &self.stamped {
            serializer.emit_str("timestamp", &stamped.timestamp().to_string())?;
        }
        serializer.emit_str("level", self.level)?;
        serializer.emit_str("message", &self.message)?;
        serializer.emit_str("service", self.service)?;
        if let Some((trace_id, span_id, flags)) = self.stamped.and_then(|stamped| stamped.ids()) {
            serializer.emit_str("trace_id", &trace_id.to_string())?;
            serializer.emit_str("span_id", &span_id.to_string())?;
            serializer.emit_str("trace_flags", &format!("{:02x}", flags.to_u8()))?;
        }
        self.fields.serialize(record, serializer)
    }
}

thread_local! {
    static WRITER: Cell<Option<Writer>> = const { Cell::new(None) };
}

/// A JSON drain into memory, kept for the thread's next line.
struct Writer {
    json: Json<Memory>,
    bytes: Rc<RefCell<Vec<u8>>>,
    none: OwnedKVList,
}

impl Writer {
    fn take() -> Self {
        // A thread at its end has no locals any more.
        let kept = WRITER.try_with(Cell::take).ok().flatten();
        kept.unwrap_or_else(|| {
            let bytes = Rc::default();
            Self {
                json: Json::new(Memory(Rc::clone(&bytes))).build(),
                bytes,
                none: o!().into(),
            }
        })
    }

    fn give_back(self) {
        self.bytes.borrow_mut().clear();
        self.bytes.borrow_mut().shrink_to(KEEP);
        WRITER.try_with(|kept| kept.set(Some(self))).ok();
    }
}

struct Memory(Rc<RefCell<Vec<u8>>>);

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
