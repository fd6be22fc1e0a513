//! A trace as a waterfall: one line per span with its bar in time, its log lines in place below it.
//!
//! Spans and lines come from outside: text is escaped, and the page grows with their number only.

use std::collections::HashMap;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use telemetry_testing::terminal::escape;
use telemetry_testing::trace::{Row, Top, Trace};
use telemetry_testing::tree::MAX_DEPTH;

const BAR: usize = 32;
/// A wider column would be padded on every line.
const WIDEST: usize = 100;
/// Colours by order of appearance; a service keeps its colour down the page.
const PALETTE: [AnsiColor; 5] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Green,
    AnsiColor::Yellow,
];
const RED: Style = AnsiColor::Red.on_default();

/// A log line of the trace.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Remark {
    /// Nanoseconds since 1970.
    pub at: u64,
    pub span_id: String,
    pub level: String,
    pub text: String,
}

struct Page<'a> {
    services: HashMap<&'a str, Style>,
    start: u64,
    length: u64,
    /// Columns of service names and of titles with their indentation.
    widths: (usize, usize),
    text: String,
}

/// Styled text; strip the styles where no terminal reads it.
pub fn waterfall(trace: &Trace, logs: &[Remark]) -> String {
    let starts = trace.spans.iter().map(|span| span.start);
    let start = starts.min().unwrap_or_default();
    let end = trace.spans.iter().map(|span| span.end).max();
    let mut services = HashMap::new();
    for span in &trace.spans {
        let colour = PALETTE[services.len() % PALETTE.len()];
        services
            .entry(span.service())
            .or_insert(colour.on_default());
    }
    let mut of_span: HashMap<&str, Vec<&Remark>> = HashMap::new();
    for log in logs {
        of_span.entry(&log.span_id).or_default().push(log);
    }
    let width = |text: &str| escape(text).chars().count().min(WIDEST);
    let names = services.keys().map(|name| width(name));
    let titles = trace.rows().map(|row| width(&title(&row)));
    let mut page = Page {
        widths: (
            names.max().unwrap_or_default(),
            titles.max().unwrap_or_default(),
        ),
        services,
        start,
        length: end.unwrap_or_default().saturating_sub(start).max(1),
        text: String::new(),
    };
    page.head(trace);
    for row in trace.rows() {
        page.span(&row);
        for log in of_span.remove(&*row.span.span_id).unwrap_or_default() {
            page.log(log, row.depth + 1);
        }
    }
    let mut strays = logs.iter().filter(|log| trace.span(&log.span_id).is_none());
    if let Some(first) = strays.next() {
        page.line("log lines of spans that are not here:");
        page.log(first, 0);
        strays.for_each(|log| page.log(log, 0));
    }
    page.text
}

// === impl Page ===

impl Page<'_> {
    fn head(&mut self, trace: &Trace) {
        let bold = Style::new().bold();
        let id = trace.spans.first().map_or("", |span| &span.trace_id);
        let failed = trace.spans.iter().filter(|span| span.is_error()).count();
        let mut head = format!(
            "trace {bold}{id}{bold:#}  {}, {}, {}",
            counted(trace.spans.len(), "span"),
            counted(self.services.len(), "service"),
            duration(self.length)
        );
        if failed > 0 {
            head.push_str(&format!(", {failed} with an error"));
        }
        self.line(&head);
    }

    fn span(&mut self, row: &Row<'_>) {
        let span = row.span;
        let (service_width, title_width) = self.widths;
        let colour = self.services.get(span.service()).copied();
        let colour = colour.unwrap_or_default();
        let style = if span.is_error() { RED } else { Style::new() };
        let bar = bar(self.offset(span.start), self.offset(span.end));
        let (service, title) = (escape(span.service()), title(row));
        let mut line = format!(
            "{colour}{service:<service_width$}{colour:#}  {style}{title:<title_width$}{style:#}  {colour}{bar}{colour:#} {:>9}",
            duration(span.end.saturating_sub(span.start)),
        );
        if span.is_error() {
            let error = span.attribute("error.type");
            let error = error.as_deref().unwrap_or("error");
            line.push_str(&format!("  {RED}{}{RED:#}", escape(error)));
        }
        for note in notes(row) {
            line.push_str(&format!("  ({note})"));
        }
        self.line(&line);
    }

    fn log(&mut self, log: &Remark, depth: usize) {
        let indent = " ".repeat(self.widths.0 + 2 + 2 * depth.min(MAX_DEPTH));
        let style = match log.level.as_str() {
            "ERROR" | "FATAL" => RED,
            "WARN" => AnsiColor::Yellow.on_default(),
            _ => Style::new().dimmed(),
        };
        let after = duration(log.at.saturating_sub(self.start));
        let (level, text) = (escape(&log.level), escape(&log.text));
        self.line(&format!("{indent}{style}· {after} {level} {text}{style:#}"));
    }

    fn offset(&self, at: u64) -> f64 {
        at.saturating_sub(self.start) as f64 / self.length as f64
    }

    fn line(&mut self, line: &str) {
        // Writing to a String cannot fail.
        writeln!(self.text, "{}", line.trim_end()).unwrap_or_default();
    }
}

fn notes(row: &Row<'_>) -> impl Iterator<Item = String> {
    let top = match row.top {
        Some(Top::Orphan) => Some("parent not received".to_owned()),
        Some(Top::Loop) => Some("parents form a loop".to_owned()),
        Some(Top::Root) | None => None,
    };
    let deep = (row.depth > MAX_DEPTH).then(|| format!("level {}", row.depth));
    let repeated = row.is_repeated.then(|| "span id used twice".to_owned());
    [top, deep, repeated].into_iter().flatten()
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn title(row: &Row<'_>) -> String {
    let indent = "  ".repeat(row.depth.min(MAX_DEPTH));
    format!("{indent}{} {}", row.span.kind, escape(&row.span.name))
}

/// At least one block, so that a short span is seen.
fn bar(from: f64, to: f64) -> String {
    let place = |part: f64| (part.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    let first = place(from).min(BAR - 1);
    let last = place(to).clamp(first + 1, BAR);
    format!(
        "{}{}{}",
        " ".repeat(first),
        "█".repeat(last - first),
        " ".repeat(BAR - last)
    )
}

fn duration(nanoseconds: u64) -> String {
    let ms = nanoseconds as f64 / 1e6;
    if ms >= 1000.0 {
        format!("{:.2} s", ms / 1000.0)
    } else {
        format!("{ms:.2} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry_testing::{Kind, Span, Status};

    fn span(id: &str, parent: Option<&str>, service: &str, name: &str) -> Span {
        Span {
            span_id: id.to_owned(),
            parent_span_id: parent.map(str::to_owned),
            ..Span::of_service(service, Kind::Server, name)
        }
    }

    fn log(span_id: &str, level: &str, text: &str) -> Remark {
        Remark {
            at: 1_030_000_000,
            span_id: span_id.into(),
            level: level.into(),
            text: text.into(),
        }
    }

    fn plain(spans: Vec<Span>, logs: &[Remark]) -> String {
        let page = waterfall(&Trace::new(spans), logs);
        anstream::adapter::strip_str(&page).to_string()
    }

    fn order() -> [Span; 2] {
        let mut root = span("a", None, "gateway", "POST /api/orders");
        root.end = root.start + 40_000_000;
        let mut child = span("b", Some("a"), "order", "PlaceOrder");
        child.start = root.start + 20_000_000;
        child.end = root.end;
        child.status = Status::Error(String::new());
        child
            .attributes
            .insert("error.type".into(), "UNAVAILABLE".into());
        [root, child]
    }

    #[test]
    fn spans_are_nested_with_their_bars_in_time_and_their_log_lines() {
        let logs = [
            log("b", "ERROR", "order.failed"),
            log("lost", "INFO", "order.placed"),
        ];
        let expected = "\
trace 0af7651916cd43dd8448eb211c80319c  2 spans, 2 services, 40.00 ms, 1 with an error
gateway  SERVER POST /api/orders  ████████████████████████████████  40.00 ms
order      SERVER PlaceOrder                      ████████████████  20.00 ms  UNAVAILABLE
             · 30.00 ms ERROR order.failed
log lines of spans that are not here:
         · 30.00 ms INFO order.placed
";
        assert_eq!(plain(order().into(), &logs), expected);
    }

    #[test]
    fn foreign_spans_are_drawn_with_a_note_and_cannot_move_the_cursor() {
        let [_, orphan] = order();
        let mut own_parent = span("c", Some("c"), "x\u{1b}[31m", "GET\u{1b}[2J\nforged");
        own_parent.status = Status::Error(String::new());
        let error = "a\rb".into();
        own_parent.attributes.insert("error.type".into(), error);
        let logs = [log("c", "IN\nFO", "text\u{9b}2J")];
        let page = plain(vec![orphan, own_parent.clone()], &logs);
        assert!(
            page.contains("UNAVAILABLE  (parent not received)\n"),
            "{page}"
        );
        assert!(page.contains(r"a\rb  (parents form a loop)"), "{page}");
        assert!(page.contains(r"GET\u{1b}[2J\nforged"), "{page}");
        assert!(page.contains(r"IN\nFO text\u{9b}2J"), "{page}");
        let styled = waterfall(&Trace::new(vec![own_parent]), &logs);
        assert!(!styled.contains("\u{1b}[2J") && styled.contains(r"x\u{1b}[31m"));
        assert_eq!(page.lines().count(), 4);
    }

    #[test]
    fn a_deep_chain_with_a_line_for_each_span_is_a_page_of_linear_size() {
        const DEPTH: usize = 50_000;
        let id = |n: usize| format!("{n:016x}");
        let chain = (0..DEPTH).map(|n| {
            let parent = n.checked_sub(1).map(id);
            span(&id(n), parent.as_deref(), "shop", &"s".repeat(n % 500))
        });
        let logs: Vec<_> = (0..DEPTH).map(|n| log(&id(n), "INFO", "x")).collect();
        let page = waterfall(&Trace::new(chain.collect()), &logs);
        assert_eq!(page.lines().count(), 1 + 2 * DEPTH);
        assert!(page.len() < DEPTH * 1500, "{} bytes", page.len());
        assert!(page.contains("(level 49999)"));
    }
}
