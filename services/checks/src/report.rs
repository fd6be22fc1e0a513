//! What a run prints: one line for each check as it ends, then the tally.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use telemetry_testing::terminal::escape_lines;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed(String),
    Failed(String),
    /// Cannot be asked here; the text names what is missing.
    Skipped(String),
}

#[derive(Clone, Debug)]
pub struct Line {
    pub name: String,
    /// The query as an operator would type it, printed when the check fails.
    pub query: Option<String>,
    pub outcome: Outcome,
    pub after: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

/// Collects the lines of a run and prints each as it comes.
#[derive(Debug)]
pub struct Report<W> {
    out: W,
    lines: Vec<Line>,
}

// === impl Report ===

impl<W: Write> Report<W> {
    pub fn new(out: W) -> Self {
        Self {
            out,
            lines: Vec::new(),
        }
    }

    /// A heading or a remark between rows.
    pub fn say(&mut self, text: impl fmt::Display) -> std::io::Result<()> {
        writeln!(self.out, "{text}")
    }

    pub fn add(&mut self, line: Line) -> std::io::Result<()> {
        write_line(&mut self.out, &line)?;
        self.lines.push(line);
        Ok(())
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub fn tally(&self) -> Tally {
        tally(&self.lines)
    }

    /// Repeats what failed, so that it is read without scrolling, then the closing line alone.
    pub fn close(&mut self) -> std::io::Result<Tally> {
        let failed: Vec<&Line> = self
            .lines
            .iter()
            .filter(|line| matches!(line.outcome, Outcome::Failed(_)))
            .collect();
        if !failed.is_empty() {
            writeln!(self.out, "\nfailed:")?;
            for line in failed {
                write_line(&mut self.out, line)?;
            }
        }
        let tally = self.tally();
        writeln!(self.out, "\n{tally}")?;
        Ok(tally)
    }
}

// === impl Tally ===

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

fn tally(lines: &[Line]) -> Tally {
    let mut tally = Tally::default();
    for line in lines {
        match line.outcome {
            Outcome::Passed(_) => tally.passed += 1,
            Outcome::Failed(_) => tally.failed += 1,
            Outcome::Skipped(_) => tally.skipped += 1,
        }
    }
    tally
}

fn write_line(out: &mut impl Write, line: &Line) -> std::io::Result<()> {
    let (word, colour, text) = match &line.outcome {
        Outcome::Passed(text) => ("ok", AnsiColor::Green, text),
        Outcome::Failed(text) => ("FAIL", AnsiColor::Red, text),
        Outcome::Skipped(text) => ("skip", AnsiColor::Yellow, text),
    };
    let style = Style::new().fg_color(Some(colour.into()));
    let dim = Style::new().dimmed();
    let seconds = line.after.as_secs_f64();
    writeln!(
        out,
        "{style}{word:<4}{style:#} {} {dim}[{seconds:.1} s] {}{dim:#}",
        line.name,
        escape_lines(text)
    )?;
    if let (Outcome::Failed(_), Some(query)) = (&line.outcome, &line.query) {
        writeln!(out, "     asked: {query}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, outcome: Outcome) -> Line {
        Line {
            name: name.to_owned(),
            query: Some("up == 1".to_owned()),
            outcome,
            after: Duration::from_millis(1500),
        }
    }

    #[test]
    fn failures_show_their_query_and_are_repeated_before_the_tally() {
        let mut report = Report::new(anstream::StripStream::new(Vec::new()));
        let lines = [
            line("one tree", Outcome::Passed("23 spans".into())),
            line("all targets up", Outcome::Failed("loki down".into())),
            line("search", Outcome::Skipped("no tempo".into())),
        ];
        for line in lines {
            report.add(line).unwrap();
        }
        assert_eq!(report.close().unwrap().failed, 1);
        let text = String::from_utf8(report.out.into_inner()).unwrap();
        assert_eq!(text.lines().last(), Some("1 passed, 1 failed, 1 skipped"));
        let failed = "FAIL all targets up [1.5 s] loki down\n     asked: up == 1";
        assert_eq!(text.matches(failed).count(), 2, "{text}");
        assert!(!text.contains("23 spans\n     asked"));
    }
}
