//! How a run goes, on stderr: a bar on a terminal, a plain line every few seconds elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::drive::{Seen, Watch};
use crate::plan::{Amount, Plan};

/// How often a line is printed where nothing can be redrawn.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Tells a person.
pub struct Console {
    bar: Option<ProgressBar>,
    planned: u64,
    counts_sent: bool,
    told: Duration,
}

impl Console {
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let planned = plan.arrivals();
        let bar = std::io::stderr().is_terminal().then(|| {
            // The template is a constant; one that did not parse would only look plain.
            let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(planned).with_style(style)
        });
        Self {
            bar,
            planned,
            counts_sent: matches!(plan.amount, Amount::Sent(_)),
            told: Duration::ZERO,
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Console {
    fn see(&mut self, seen: &Seen) {
        let done = match self.counts_sent {
            true => seen.sent,
            false => seen.arrivals,
        };
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(line(seen));
        } else if seen.elapsed >= self.told + PLAIN_EVERY {
            self.told = seen.elapsed;
            let percent = 100 * done / self.planned.max(1);
            anstream::eprintln!("{percent:>3} %  {}", line(seen));
        }
    }
}

fn line(seen: &Seen) -> String {
    format!(
        "{} s: {} sent, {} in flight, {} shed, {} failed, {} unexpected",
        seen.elapsed.as_secs(),
        seen.sent,
        seen.in_flight,
        seen.shed,
        seen.failed,
        seen.unexpected
    )
}
