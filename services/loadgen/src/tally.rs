//! Outcomes of requests, counted per route.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::client::Failure;
use crate::load::Settled;
use crate::mix::ROUTES;

/// In microseconds: an hour, six times what a run may take. What is longer counts as this.
const LONGEST: u64 = 3_600_000_000;

/// Times: percentiles to three significant digits, the longest as it was.
#[derive(Debug, Clone)]
pub struct Times {
    /// In microseconds.
    histogram: Histogram<u64>,
    max: Option<Duration>,
}

impl Default for Times {
    fn default() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "refused are other than 0 to 5 digits, and a highest value below twice the lowest"
        )]
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3).expect("constant bounds");
        Self {
            histogram,
            max: None,
        }
    }
}

impl Times {
    pub fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(micros);
        self.max = self.max.max(Some(time));
    }

    fn merge(&mut self, other: &Self) {
        // Both have the same bounds, which is all that could be refused.
        self.histogram.add(&other.histogram).unwrap_or_default();
        self.max = self.max.max(other.max);
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// In milliseconds; `None` where there is nothing.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        // The histogram rounds up, and the last percentile would be above the longest time.
        let rounded = self.histogram.value_at_percentile(percent) as f64 / 1_000.0;
        self.max().map(|max| max.min(rounded))
    }

    /// In milliseconds.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.max.map(milliseconds)
    }
}

/// To the microsecond.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1_000.0
}

/// One request worth looking at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub latency: Duration,
    pub status: u16,
    pub trace_id: Option<String>,
}

/// The counts of one route, or of all. Each arrival is in `statuses` or in `failures`.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    pub statuses: BTreeMap<u16, u64>,
    pub failures: BTreeMap<Failure, u64>,
    /// Answers with a status that the route does not have when all is well.
    pub unexpected: u64,
    /// From the intended start to the last byte, or to the timeout. Other failures have no latency.
    pub latency: Times,
    pub slowest: Option<Sample>,
    pub first_unexpected: Option<Sample>,
}

impl Counts {
    /// Requests that were due, whether they were sent or shed.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.answered() + self.failures.values().sum::<u64>()
    }

    #[must_use]
    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    #[must_use]
    pub fn shed(&self) -> u64 {
        self.failures.get(&Failure::Shed).copied().unwrap_or(0)
    }

    /// Answers of 200 to 299 for 2, and so on.
    #[must_use]
    pub fn class(&self, class: u16) -> u64 {
        let statuses = self.statuses.range(class * 100..(class + 1) * 100);
        statuses.map(|(_, count)| count).sum()
    }

    /// Requests that failed in transport; those that the end of the run cut off did not.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let failures = self.failures.iter();
        let failed = failures.filter(|(it, _)| !matches!(it, Failure::CutOff | Failure::Shed));
        failed.map(|(_, count)| count).sum()
    }

    fn add(&mut self, settled: &Settled) {
        let Settled { route, latency, .. } = *settled;
        let answer = match &settled.outcome {
            Ok(answer) => answer,
            Err(failure) => {
                *self.failures.entry(*failure).or_default() += 1;
                if *failure == Failure::Timeout {
                    self.latency.add(latency);
                }
                return;
            }
        };
        *self.statuses.entry(answer.status).or_default() += 1;
        self.latency.add(latency);
        let sample = Sample {
            latency,
            status: answer.status,
            trace_id: answer.trace_id.clone(),
        };
        if !(route.row().expected)(answer.status) {
            self.unexpected += 1;
            self.first_unexpected.get_or_insert_with(|| sample.clone());
        }
        let slowest = self.slowest.as_ref();
        if slowest.is_none_or(|slowest| slowest.latency < latency) {
            self.slowest = Some(sample);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.unexpected += other.unexpected;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (failure, count) in &other.failures {
            *self.failures.entry(*failure).or_default() += count;
        }
        self.latency.merge(&other.latency);
    }
}

/// What a run was.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub warm_up: Counts,
    /// After the warm-up, in the order of [`ROUTES`].
    pub routes: [Counts; ROUTES.len()],
    /// How much later than due the generator itself began to send: the part of the latencies that is not the shop's.
    pub lateness: Times,
    pub most_in_flight: usize,
    /// From the end of the warm-up to the end of the arrivals or the last answer, whichever came later.
    pub time: Duration,
    /// `false` if the run was stopped early.
    pub is_complete: bool,
}

impl Tally {
    pub(crate) fn add(&mut self, settled: &Settled) {
        if !settled.is_measured {
            return self.warm_up.add(settled);
        }
        if settled.outcome != Err(Failure::Shed) {
            self.lateness.add(settled.lateness);
        }
        self.routes[settled.route as usize].add(settled);
    }

    /// The sum of the routes, without their samples.
    #[must_use]
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        for counts in &self.routes {
            total.merge(counts);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Answer;
    use crate::mix::Route;
    use std::time::Instant;

    fn settled(route: Route, latency: u64, outcome: Result<u16, Failure>) -> Settled {
        let latency = Duration::from_millis(latency);
        Settled {
            route,
            due: Instant::now(),
            is_measured: true,
            lateness: latency / 10,
            latency,
            outcome: outcome.map(|status| Answer {
                status,
                trace_id: Some(format!("trace of a {status}")),
                location: None,
            }),
        }
    }

    fn tally(all: &[(Route, u64, Result<u16, Failure>)]) -> Tally {
        let mut tally = Tally::default();
        for (route, latency, outcome) in all {
            tally.add(&settled(*route, *latency, *outcome));
        }
        tally
    }

    #[test]
    fn percentiles_are_those_of_the_times_that_were_added() {
        let mut times = Times::default();
        assert_eq!(times.percentile(50.0), None);
        for time in 1..=10_000 {
            times.add(Duration::from_millis(time));
        }
        for (percent, expected) in [(50.0, 5_000.0), (99.0, 9_900.0), (99.9, 9_990.0)] {
            let actual = times.percentile(percent).unwrap();
            // Three digits are kept.
            assert!(
                (actual - expected).abs() <= expected / 1_000.0,
                "p{percent}: {actual}"
            );
        }
        times.add(Duration::from_secs(3_600));
        assert_eq!((times.max(), times.count()), (Some(3_600_000.0), 10_001));
    }

    #[test]
    fn a_total_is_the_sum_of_its_routes() {
        let tally = tally(&[
            (Route::Orders, 10, Ok(201)),
            (Route::Orders, 30, Ok(502)),
            (Route::Order, 20, Ok(200)),
            (Route::UnknownProduct, 5, Ok(404)),
            (Route::Orders, 90, Err(Failure::Timeout)),
            (Route::Orders, 1, Err(Failure::Connect)),
            (Route::Orders, 0, Err(Failure::Shed)),
            (Route::Order, 1, Err(Failure::CutOff)),
        ]);
        let total = tally.total();
        assert_eq!(
            (total.arrivals(), total.shed(), total.answered()),
            (8, 1, 4)
        );
        assert_eq!((total.class(2), total.class(4), total.class(5)), (2, 1, 1));
        assert_eq!((total.failed(), total.unexpected), (2, 1));
        assert_eq!(total.latency.count(), 5, "a timeout has a latency");
        assert_eq!(total.latency.max(), Some(90.0));
        assert_eq!(tally.lateness.count(), 7);
    }

    #[test]
    fn the_slowest_and_the_first_unexpected_answer_are_kept() {
        let tally = tally(&[
            (Route::UnknownProduct, 1, Ok(404)),
            (Route::Product, 3, Ok(404)),
            (Route::Product, 2, Ok(503)),
            (Route::Orders, 1, Ok(409)),
        ]);
        let first = |route: Route| tally.routes[route as usize].first_unexpected.clone();
        assert_eq!(first(Route::Product).unwrap().status, 404);
        assert_eq!(first(Route::UnknownProduct), None);
        assert_eq!(first(Route::Orders), None);
        let slowest = tally.routes[Route::Product as usize].slowest.clone();
        assert_eq!(slowest.unwrap().latency, Duration::from_millis(3));
    }
}
