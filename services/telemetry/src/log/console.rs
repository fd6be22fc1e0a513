//! The console: a line for people, coloured on a terminal.

use std::io::{self, Write};
use std::sync::Arc;

use otel_slog::{Fields, Stamped};
use slog::{BorrowedKV, Drain, KV, Level, Never, OwnedKVList, Record, RecordStatic, Serializer, o};
use slog_term::{Decorator, FullFormat, RecordDecorator};

use super::lane::{Lane, Outcome, Sink};
use super::line::message;

/// Formats records as lines of text for a lane.
#[derive(Clone)]
pub(super) struct Console {
    format: Arc<FullFormat<LineDecorator>>,
    none: OwnedKVList,
    lane: Arc<Lane>,
}

impl Console {
    pub(super) fn new(lane: Arc<Lane>, is_coloured: bool) -> Self {
        let decorator = LineDecorator {
            lane: Arc::clone(&lane),
            is_coloured,
        };
        let format = FullFormat::new(decorator)
            .use_custom_timestamp(time_of_day)
            .use_original_order();
        Self {
            format: Arc::new(format.build()),
            none: o!().into(),
            lane,
        }
    }

    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }
}

/// The time of the stamp, without its date: `16:52:35.123Z`.
fn time_of_day(out: &mut dyn Write) -> io::Result<()> {
    let Some(stamped) = Stamped::current() else {
        return Ok(());
    };
    let text = stamped.timestamp().to_string();
    write!(out, "{}Z", text.get(11..23).unwrap_or(&text))
}

impl Drain for Console {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        let mut fields = Fields::collect(record, values);
        fields.retain(|key| !["target", "code.file.path", "code.line.number"].contains(&key));
        let keys = Keys(fields);
        let fixed = RecordStatic {
            location: record.location(),
            tag: "",
            level: record.level(),
        };
        let message = message(record);
        let text = format_args!("{message}");
        let flat = Record::new(&fixed, &text, BorrowedKV(&keys));
        // Into memory: the lane takes the line or counts it.
        self.format.log(&flat, &self.none).ok();
        Ok(())
    }
}

/// A record's fields and its trace id, which `just trace` takes.
struct Keys(Fields);

impl KV for Keys {
    fn serialize(&self, record: &Record<'_>, serializer: &mut dyn Serializer) -> slog::Result {
        self.0.serialize(record, serializer)?;
        if let Some((trace_id, ..)) = Stamped::current().and_then(|stamped| stamped.ids()) {
            serializer.emit_str("trace_id", &trace_id.to_string())?;
        }
        Ok(())
    }
}

/// Makes one line of text per record and hands it to a lane.
struct LineDecorator {
    lane: Arc<Lane>,
    is_coloured: bool,
}

impl Decorator for LineDecorator {
    fn with_record<F>(&self, record: &Record<'_>, _: &OwnedKVList, f: F) -> io::Result<()>
    where
        F: FnOnce(&mut dyn RecordDecorator) -> io::Result<()>,
    {
        let mut line = Line {
            bytes: Vec::with_capacity(256),
            is_coloured: self.is_coloured,
            is_foreign: false,
            level: record.level(),
        };
        f(&mut line)?;
        self.lane.push(&line.bytes);
        Ok(())
    }
}

/// A line in the making.
struct Line {
    bytes: Vec<u8>,
    is_coloured: bool,
    /// Whether what is written comes from the record, and not from the format around it.
    is_foreign: bool,
    level: Level,
}

impl Line {
    fn style(&mut self, code: &str, is_foreign: bool) {
        self.is_foreign = is_foreign;
        if self.is_coloured {
            self.bytes.extend_from_slice(code.as_bytes());
        }
    }
}

const PLAIN: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";

impl Write for Line {
    /// Escapes the control characters of a record: its newline would forge a line, its escape sequence would speak to
    /// the terminal.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_foreign {
            self.bytes.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        for char in String::from_utf8_lossy(bytes).chars() {
            if char.is_control() {
                write!(self.bytes, "{}", char.escape_default())?;
            } else {
                write!(self.bytes, "{char}")?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl RecordDecorator for Line {
    fn reset(&mut self) -> io::Result<()> {
        self.style(PLAIN, true);
        Ok(())
    }

    fn start_whitespace(&mut self) -> io::Result<()> {
        self.style(PLAIN, false);
        Ok(())
    }

    fn start_timestamp(&mut self) -> io::Result<()> {
        self.style(DIM, true);
        Ok(())
    }

    fn start_level(&mut self) -> io::Result<()> {
        let code = match self.level {
            Level::Critical | Level::Error => "\x1b[31m",
            Level::Warning => "\x1b[33m",
            Level::Info => "\x1b[32m",
            Level::Debug | Level::Trace => "\x1b[36m",
        };
        self.style(code, true);
        Ok(())
    }

    fn start_msg(&mut self) -> io::Result<()> {
        self.style(BOLD, true);
        Ok(())
    }

    fn start_key(&mut self) -> io::Result<()> {
        self.style(DIM, true);
        Ok(())
    }
}

/// The console itself.
pub(super) struct Stderr;

impl Sink for Stderr {
    fn write(&mut self, lines: &[u8]) -> Outcome {
        match io::stderr().write_all(lines) {
            Ok(()) => Outcome::Written,
            Err(_) => Outcome::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::global;
    use otel_slog::Stamp;
    use slog::{Logger, info};

    use super::super::dropped::Dropped;
    use super::*;

    fn printed(is_coloured: bool, statement: impl FnOnce(&Logger)) -> String {
        let lane = Lane::new(Dropped::new(&global::meter("test")).lane("console"));
        let console = Console::new(Arc::clone(&lane), is_coloured);
        statement(&Logger::root(Stamp::new(console).fuse(), o!()));
        String::from_utf8(lane.waiting()).unwrap()
    }

    #[test]
    fn a_record_is_one_line_for_people() {
        let line = printed(false, |log| info!(log, "Order placed"; "order" => 7));
        let (time, rest) = line.split_at("16:52:35.123Z".len());
        assert!(time.ends_with('Z') && time.contains(':'), "{line}");
        assert_eq!(rest, " INFO Order placed, order: 7\n");
    }

    #[test]
    fn control_characters_of_a_record_never_reach_the_terminal() {
        let line = printed(
            false,
            |log| info!(log, "forged\n\x1b[31m{}", "\r\u{9b}1m"; "key" => "a\nb\x07é"),
        );
        let escaped = r"forged\n\u{1b}[31m\r\u{9b}1m, key: a\nb\u{7}é";
        assert!(line.ends_with(&format!(" INFO {escaped}\n")), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn colours_are_ours_alone() {
        let line = printed(true, |log| info!(log, "\x1b[31mred"));
        assert!(line.contains("\x1b[32mINFO"), "{line:?}");
        assert!(line.contains(r"\u{1b}[31mred"), "{line:?}");
    }
}
