//! Progress for a person: spinners on a terminal, a plain line every few seconds elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::report::{Event, Report, Work};
use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Something is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something is not.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is there to be skipped by most.
pub const DIM: Style = Style::new().dimmed();

/// How often a long build says that it lives where nothing can be redrawn.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// What takes less is not worth a line.
const LONG: Duration = Duration::from_secs(2);

/// Tells on standard error what happens.
pub struct Console {
    is_terminal: bool,
    tells_all: bool,
    bars: MultiProgress,
    running: Mutex<BTreeMap<String, Running>>,
}

/// One build.
struct Running {
    bar: ProgressBar,
    told: Duration,
}

impl Console {
    /// Everything.
    #[must_use]
    pub fn new() -> Self {
        Self {
            is_terminal: std::io::stderr().is_terminal(),
            tells_all: true,
            bars: MultiProgress::new(),
            running: Mutex::default(),
        }
    }

    /// Only builds and downloads, and only those that take long: for a command with a story of its own, which would
    /// otherwise be silent for minutes.
    #[must_use]
    pub fn of_long_work() -> Self {
        Self {
            tells_all: false,
            ..Self::new()
        }
    }

    /// Whether an event gets a line, or a part of one.
    fn tells(&self, event: &Event<'_>) -> bool {
        match event {
            Event::Working { elapsed, .. } => *elapsed > LONG,
            // An up-to-date build is not worth a line; its bar has to go all the same.
            Event::Worked { .. } => true,
            _ => self.tells_all,
        }
    }

    fn working(&self, doing: &str, what: &str, elapsed: Duration, detail: &str) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !running.contains_key(what);
        let build = running.entry(what.to_owned()).or_insert_with(|| Running {
            bar: self
                .bars
                .add(ProgressBar::new_spinner().with_style(spinner())),
            told: Duration::ZERO,
        });
        if self.is_terminal {
            build
                .bar
                .set_message(format!("{doing} {what}, {}: {detail}", seconds(elapsed)));
            build.bar.tick();
        } else if is_new || elapsed >= build.told + PLAIN_EVERY {
            build.told = elapsed;
            anstream::eprintln!("{doing} {what}, {}: {detail}", seconds(elapsed));
        }
    }

    fn worked(&self, what: &str) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(build) = running.remove(what) {
            build.bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        // The bars are below: a line that is printed past them would tear them.
        self.bars.suspend(|| anstream::eprintln!("{text}"));
    }
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Report for Console {
    fn event(&self, event: &Event<'_>) {
        if !self.tells(event) {
            return;
        }
        match event {
            Event::Working {
                work,
                what,
                elapsed,
                detail,
            } => {
                let doing = match work {
                    Work::Build => "building",
                    Work::Pull => "pulling",
                };
                self.working(doing, what, *elapsed, detail);
            }
            Event::Worked {
                work,
                what,
                elapsed,
            } => {
                self.worked(what);
                let did = match work {
                    Work::Build => "built",
                    Work::Pull => "pulled",
                };
                if *elapsed > LONG {
                    self.line(&format!(
                        "{did:<8} {what:<15} {DIM}in {}{DIM:#}",
                        seconds(*elapsed)
                    ));
                }
            }
            Event::Starting { component } => self.line(&format!("starting {component}")),
            Event::Ready {
                component,
                elapsed,
                url,
            } => {
                let after = seconds(*elapsed);
                self.line(&format!(
                    "{GOOD}ready{GOOD:#}    {component:<15} {url} {DIM}after {after}{DIM:#}"
                ));
            }
            Event::Stopping { component } => self.line(&format!("stopping {component}")),
            Event::Stopped {
                component,
                elapsed,
                killed,
            } => {
                let after = seconds(*elapsed);
                let how = if *killed {
                    ", killed: it did not end by itself"
                } else {
                    ""
                };
                self.line(&format!(
                    "stopped  {component:<15} {DIM}after {after}{how}{DIM:#}"
                ));
            }
            Event::Note(text) => self.line(&format!("{DIM}note{DIM:#}     {text}")),
        }
    }
}

fn spinner() -> ProgressStyle {
    // The template is a constant; one that did not parse would only look plain.
    ProgressStyle::with_template("{spinner} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
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
    fn a_command_with_a_story_of_its_own_tells_of_long_builds_only() {
        let working = |seconds| Event::Working {
            work: Work::Build,
            what: "loki",
            elapsed: Duration::from_secs(seconds),
            detail: "",
        };
        let quiet = Console::of_long_work();
        assert!(quiet.tells(&working(3)) && !quiet.tells(&working(1)));
        assert!(!quiet.tells(&Event::Starting { component: "loki" }));
        assert!(!quiet.tells(&Event::Note("everything runs already")));
        let all = Console::new();
        assert!(!all.tells(&working(1)) && all.tells(&Event::Note("")));
    }

    #[test]
    fn durations_read_as_a_person_would_say_them() {
        for (milliseconds, expected) in [(430, "0.4 s"), (12_900, "12 s"), (185_000, "3 min 05 s")]
        {
            assert_eq!(seconds(Duration::from_millis(milliseconds)), expected);
        }
    }
}
