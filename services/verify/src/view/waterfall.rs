//! A trace as a waterfall: one line per span with its bar in time, its log lines in place below it.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use crate::trace::{Span, Status, Trace};

const BAR: usize = 32;
/// Colours by order of appearance; a service keeps its colour down the page.
const PALETTE: [AnsiColor; 5] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Green,
    AnsiColor::Yellow,
];

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
    trace: &'a Trace,
    logs: &'a [Remark],
    services: Vec<&'a str>,
    start: u64,
    length: u64,
    /// Columns of service names and of titles with their indentation.
    widths: (usize, usize),
    text: String,
}

/// Styled text; strip the styles where no terminal reads it.
pub fn waterfall(trace: &Trace, logs: &[Remark]) -> String {
    let start = trace
        .spans
        .iter()
        .map(|span| span.start)
        .min()
        .unwrap_or_default();
    let end = trace
        .spans
        .iter()
        .map(|span| span.end)
        .max()
        .unwrap_or_default();
    let mut services: Vec<&str> = Vec::new();
    for span in &trace.spans {
        if !services.contains(&span.service.as_str()) {
            services.push(&span.service);
        }
    }
    let mut page = Page {
        widths: (
            services
                .iter()
                .map(|name| name.len())
                .max()
                .unwrap_or_default(),
            widest(trace),
        ),
        trace,
        logs,
        services,
        start,
        length: end.saturating_sub(start).max(1),
        text: String::new(),
    };
    page.head();
    for root in tops(trace) {
        page.span(root, 0, "");
    }
    page.strays();
    page.text
}

// === impl Page ===

impl Page<'_> {
    fn head(&mut self) {
        let bold = Style::new().bold();
        let id = self.trace.spans.first().map_or("", |span| &span.trace_id);
        let failed = self
            .trace
            .spans
            .iter()
            .filter(|span| span.status == Status::Error)
            .count();
        let mut head = format!(
            "trace {bold}{id}{bold:#}  {}, {}, {}",
            counted(self.trace.spans.len(), "span"),
            counted(self.services.len(), "service"),
            duration(self.length)
        );
        if failed > 0 {
            head.push_str(&format!(", {failed} with an error"));
        }
        self.line(&head);
    }

    fn span(&mut self, span: &Span, depth: usize, note: &str) {
        let (service_width, title_width) = self.widths;
        let colour = self.colour(&span.service);
        let title = format!("{}{}", "  ".repeat(depth), title(span));
        let is_failed = span.status == Status::Error;
        let title_style = if is_failed { red() } else { Style::new() };
        let bar = bar(self.offset(span.start), self.offset(span.end));
        let mut line = format!(
            "{colour}{:<service_width$}{colour:#}  {title_style}{title:<title_width$}{title_style:#}  {colour}{bar}{colour:#} {:>9}",
            span.service,
            duration(span.end.saturating_sub(span.start)),
        );
        if is_failed {
            let kind = span
                .attribute("error.type")
                .unwrap_or_else(|| "error".to_owned());
            line.push_str(&format!("  {}{kind}{:#}", red(), red()));
        }
        line.push_str(note);
        self.line(&line);
        let trace = self.trace;
        for log in self.logs.iter().filter(|log| log.span_id == span.span_id) {
            self.log(log, depth + 1);
        }
        for child in trace.children(&span.span_id) {
            self.span(child, depth + 1, "");
        }
    }

    fn log(&mut self, log: &Remark, depth: usize) {
        let indent = " ".repeat(self.widths.0 + 2 + 2 * depth);
        let style = match log.level.as_str() {
            "ERROR" | "FATAL" => red(),
            "WARN" => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
            _ => Style::new().dimmed(),
        };
        let after = log.at.saturating_sub(self.start);
        let line = format!(
            "{indent}{style}· {} {} {}{style:#}",
            duration(after),
            log.level,
            log.text
        );
        self.line(&line);
    }

    /// Log lines of spans that have not arrived.
    fn strays(&mut self) {
        let trace = self.trace;
        let strays: Vec<&Remark> = self
            .logs
            .iter()
            .filter(|log| trace.span(&log.span_id).is_none())
            .collect();
        if !strays.is_empty() {
            self.line("log lines of spans that are not here:");
        }
        for log in strays {
            self.log(log, 0);
        }
    }

    fn colour(&self, service: &str) -> Style {
        let at = self
            .services
            .iter()
            .position(|known| *known == service)
            .unwrap_or_default();
        Style::new().fg_color(Some(PALETTE[at % PALETTE.len()].into()))
    }

    fn offset(&self, at: u64) -> f64 {
        at.saturating_sub(self.start) as f64 / self.length as f64
    }

    fn line(&mut self, line: &str) {
        // Writing to a String cannot fail.
        writeln!(self.text, "{}", line.trim_end()).unwrap_or_default();
    }
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn red() -> Style {
    Style::new().fg_color(Some(AnsiColor::Red.into()))
}

/// Roots, and spans whose parent is not here: a gap must not hide what lies below it.
fn tops(trace: &Trace) -> Vec<&Span> {
    trace
        .spans
        .iter()
        .filter(|span| trace.parent(span).is_none())
        .collect()
}

fn title(span: &Span) -> String {
    format!("{} {}", span.kind.word(), span.name)
}

fn widest(trace: &Trace) -> usize {
    trace
        .spans
        .iter()
        .map(|span| title(span).chars().count() + 2 * depth(trace, span))
        .max()
        .unwrap_or_default()
}

fn depth(trace: &Trace, span: &Span) -> usize {
    std::iter::successors(trace.parent(span), |above| trace.parent(above)).count()
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
    use crate::trace::Kind;
    use crate::trace::sample::span;

    fn plain(trace: &Trace, logs: &[Remark]) -> String {
        anstream::adapter::strip_str(&waterfall(trace, logs)).to_string()
    }

    fn trace() -> Trace {
        let mut root = span("a", None, "gateway", Kind::Server, "POST /api/orders");
        root.end = root.start + 40_000_000;
        let mut child = span("b", Some("a"), "order", Kind::Server, "PlaceOrder");
        child.start = root.start + 20_000_000;
        child.end = root.start + 40_000_000;
        child.status = Status::Error;
        child
            .attributes
            .insert("error.type".into(), "UNAVAILABLE".into());
        Trace::new(vec![root, child])
    }

    #[test]
    fn spans_are_nested_with_their_bars_in_time() {
        let expected = "\
trace 0af7651916cd43dd8448eb211c80319c  2 spans, 2 services, 40.00 ms, 1 with an error
gateway  SERVER POST /api/orders  ████████████████████████████████  40.00 ms
order      SERVER PlaceOrder                      ████████████████  20.00 ms  UNAVAILABLE
";
        assert_eq!(plain(&trace(), &[]), expected);
    }

    #[test]
    fn a_log_line_stands_below_its_span() {
        let log = Remark {
            at: 1_030_000_000,
            span_id: "b".into(),
            level: "ERROR".into(),
            text: "order.failed".into(),
        };
        let text = plain(&trace(), &[log]);
        assert_eq!(
            text.lines().last(),
            Some("             · 30.00 ms ERROR order.failed")
        );
    }

    #[test]
    fn what_lies_below_a_missing_span_is_still_drawn() {
        let mut trace = trace();
        trace.spans.remove(0);
        assert!(plain(&trace, &[]).contains("SERVER PlaceOrder"));
    }

    #[test]
    fn a_log_line_whose_span_is_missing_is_listed_at_the_end() {
        let log = Remark {
            at: 1_030_000_000,
            span_id: "lost".into(),
            level: "INFO".into(),
            text: "order.placed".into(),
        };
        assert!(plain(&trace(), &[log]).contains("log lines of spans that are not here:\n"));
    }
}
