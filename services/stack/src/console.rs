//! Progress for a person: spinners on a terminal, a plain line every few seconds elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Something is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something is not.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Secondary information.
pub const DIM: Style = Style::new().dimmed();

/// How often a long build writes a line where nothing can be redrawn.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// A build that takes less is not reported.
const LONG: Duration = Duration::from_secs(2);

/// Receives what the launcher does.
pub trait Report: Send + Sync {
    /// Called several times a second while a build runs; `detail` is its last line of output.
    fn building(&self, _what: &str, _elapsed: Duration, _detail: &str) {}
    /// A build has ended.
    fn built(&self, _what: &str, _elapsed: Duration) {}
    /// One step of a start or a stop.
    fn line(&self, _text: &str) {}

    /// A fact that the reader may want to know.
    fn note(&self, text: &str) {
        self.line(&format!("{DIM}note{DIM:#}     {text}"));
    }

    /// A component is ready.
    fn ready(&self, component: &str, elapsed: Duration, url: &str) {
        let after = seconds(elapsed);
        self.line(&format!(
            "{GOOD}ready{GOOD:#}    {component:<15} {url} {DIM}after {after}{DIM:#}"
        ));
    }

    /// A component has ended.
    fn stopped(&self, component: &str, elapsed: Duration, is_killed: bool) {
        let after = seconds(elapsed);
        let how = if is_killed {
            ", killed: it did not end in its time"
        } else {
            ""
        };
        self.line(&format!(
            "stopped  {component:<15} {DIM}after {after}{how}{DIM:#}"
        ));
    }
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Report for Silent {}

/// Reports on standard error.
#[derive(Default)]
pub struct Console {
    builds_only: bool,
    bars: MultiProgress,
    running: Mutex<BTreeMap<String, Running>>,
}

/// One build.
struct Running {
    bar: ProgressBar,
    reported: Duration,
}

impl Console {
    /// Everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Long builds only: for a command with output of its own, which would otherwise be silent for minutes.
    #[must_use]
    pub fn of_long_work() -> Self {
        Self {
            builds_only: true,
            ..Self::default()
        }
    }

    fn print(&self, text: &str) {
        // A line that is printed without this would tear the spinners below it.
        self.bars.suspend(|| anstream::eprintln!("{text}"));
    }
}

impl Report for Console {
    fn building(&self, what: &str, elapsed: Duration, detail: &str) {
        if elapsed <= LONG {
            return;
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !running.contains_key(what);
        let build = running.entry(what.to_owned()).or_insert_with(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}");
            let bar = ProgressBar::new_spinner();
            let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            Running {
                bar: self.bars.add(bar),
                reported: Duration::ZERO,
            }
        });
        let text = format!("building {what}, {}: {detail}", seconds(elapsed));
        if std::io::stderr().is_terminal() {
            build.bar.set_message(text);
            build.bar.tick();
        } else if is_new || elapsed >= build.reported + PLAIN_EVERY {
            build.reported = elapsed;
            anstream::eprintln!("{text}");
        }
    }

    fn built(&self, what: &str, elapsed: Duration) {
        let build = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(what);
        if let Some(build) = build {
            build.bar.finish_and_clear();
        }
        if elapsed > LONG {
            self.print(&format!(
                "built    {what:<15} {DIM}in {}{DIM:#}",
                seconds(elapsed)
            ));
        }
    }

    fn line(&self, text: &str) {
        if !self.builds_only {
            self.print(text);
        }
    }
}

/// `0.4 s`, `12 s`, `3 min 05 s`.
fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        whole @ 10..60 => format!("{whole} s"),
        whole => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_unit_that_a_reader_expects() {
        for (milliseconds, expected) in [(430, "0.4 s"), (12_900, "12 s"), (185_000, "3 min 05 s")]
        {
            assert_eq!(seconds(Duration::from_millis(milliseconds)), expected);
        }
    }
}
