//! What came back, counted per route.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::client::{Answer, Failure};
use crate::mix::{ROUTES, Route};

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

/// The counts of one route, or of all.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Due, whether they were sent or shed.
    pub arrivals: u64,
    /// Not sent, because too many were in flight.
    pub shed: u64,
    pub statuses: BTreeMap<u16, u64>,
    pub failures: BTreeMap<Failure, u64>,
    /// Answers with a status that the route does not have when all is well.
    pub unexpected: u64,
    /// From the intended start to the last byte, or to the moment of giving up. Other failures have no latency.
    pub latency: Times,
    pub slowest: Option<Sample>,
    pub first_unexpected: Option<Sample>,
}

impl Counts {
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    #[must_use]
    pub fn class(&self, class: u16) -> u64 {
        let of_class = self
            .statuses
            .iter()
            .filter(|(status, _)| *status / 100 == class);
        of_class.map(|(_, count)| count).sum()
    }

    /// Requests that failed in transport; those that the end of the run cut off did not.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let failed = self
            .failures
            .iter()
            .filter(|(kind, _)| **kind != Failure::CutOff);
        failed.map(|(_, count)| count).sum()
    }

    fn settle(&mut self, route: Route, latency: Duration, outcome: &Result<Answer, Failure>) {
        let answer = match outcome {
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
        if self
            .slowest
            .as_ref()
            .is_none_or(|slowest| slowest.latency < latency)
        {
            self.slowest = Some(sample);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.arrivals += other.arrivals;
        self.shed += other.shed;
        self.unexpected += other.unexpected;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (failure, count) in &other.failures {
            *self.failures.entry(*failure).or_default() += count;
        }
        self.latency.merge(&other.latency);
        if other.slowest.as_ref().map(|it| it.latency) > self.slowest.as_ref().map(|it| it.latency)
        {
            self.slowest.clone_from(&other.slowest);
        }
    }
}

/// A part of a run: its warm-up, or what is measured.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// In the order of [`ROUTES`].
    pub routes: [Counts; ROUTES.len()],
    /// How much later than due the generator itself began to send: the part of the latencies that is not the shop's.
    pub lateness: Times,
    pub most_in_flight: usize,
}

impl Tally {
    pub fn arrive(&mut self, route: Route, is_shed: bool, in_flight: usize) {
        let counts = &mut self.routes[route as usize];
        counts.arrivals += 1;
        counts.shed += u64::from(is_shed);
        self.most_in_flight = self.most_in_flight.max(in_flight);
    }

    pub fn settle(
        &mut self,
        route: Route,
        lateness: Duration,
        latency: Duration,
        outcome: &Result<Answer, Failure>,
    ) {
        self.lateness.add(lateness);
        self.routes[route as usize].settle(route, latency, outcome);
    }

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

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn answer(status: u16) -> Result<Answer, Failure> {
        Ok(Answer {
            status,
            trace_id: Some(format!("trace of a {status}")),
            location: None,
        })
    }

    /// Within the three digits that are kept.
    fn is_about(actual: Option<f64>, expected: f64) -> bool {
        actual.is_some_and(|actual| (actual - expected).abs() <= expected / 1_000.0)
    }

    #[test]
    fn percentiles_are_those_of_the_times_that_were_added() {
        let mut times = Times::default();
        assert_eq!(times.percentile(50.0), None);
        for time in 1..=10_000 {
            times.add(ms(time));
        }
        for (percent, expected) in [
            (50.0, 5_000.0),
            (90.0, 9_000.0),
            (99.0, 9_900.0),
            (99.9, 9_990.0),
        ] {
            let actual = times.percentile(percent);
            assert!(is_about(actual, expected), "p{percent}: {actual:?}");
        }
        assert!(times.max() == Some(10_000.0));
        assert_eq!(times.count(), 10_000);
    }

    #[test]
    fn one_slow_request_is_in_the_maximum_and_not_in_the_median() {
        let mut times = Times::default();
        for _ in 0..999 {
            times.add(ms(1));
        }
        times.add(Duration::from_secs(3_600));
        assert!(is_about(times.percentile(50.0), 1.0));
        assert!(times.max() == Some(3_600_000.0));
    }

    #[test]
    fn a_total_is_the_sum_of_its_routes() {
        let mut tally = Tally::default();
        for (route, status, latency) in [
            (Route::Orders, 201, 10),
            (Route::Orders, 502, 30),
            (Route::Order, 200, 20),
            (Route::UnknownProduct, 404, 5),
        ] {
            tally.arrive(route, false, 1);
            tally.settle(route, ms(1), ms(latency), &answer(status));
        }
        tally.arrive(Route::Orders, true, 3);
        tally.arrive(Route::Orders, false, 2);
        let timeout = Err(Failure::Timeout);
        tally.settle(Route::Orders, ms(1), ms(90), &timeout);
        let total = tally.total();
        assert_eq!((total.arrivals, total.shed, total.answered()), (6, 1, 4));
        assert_eq!((total.class(2), total.class(4), total.class(5)), (2, 1, 1));
        assert_eq!((total.failed(), total.unexpected), (1, 1));
        assert_eq!(total.slowest.unwrap().latency, ms(30));
        assert_eq!(total.latency.count(), 5, "a timeout has a latency");
        assert!(total.latency.max() == Some(90.0));
        assert_eq!(tally.most_in_flight, 3);
    }

    #[test]
    fn the_first_unexpected_answer_is_kept_and_an_expected_404_is_none() {
        let mut tally = Tally::default();
        for (route, status) in [
            (Route::UnknownProduct, 404),
            (Route::Product, 404),
            (Route::Product, 503),
            (Route::Orders, 409),
        ] {
            tally.settle(route, Duration::ZERO, ms(1), &answer(status));
        }
        let first = |route| tally.routes[route as usize].first_unexpected.clone();
        assert_eq!(first(Route::Product).unwrap().status, 404);
        assert_eq!(first(Route::UnknownProduct), None);
        assert_eq!(first(Route::Orders), None);
        assert_eq!(tally.total().unexpected, 2);
    }

    #[test]
    fn what_the_end_of_the_run_cut_off_did_not_fail() {
        let mut tally = Tally::default();
        for failure in [Failure::CutOff, Failure::Connect, Failure::Broken] {
            tally.settle(Route::Orders, Duration::ZERO, ms(1), &Err(failure));
        }
        assert_eq!(tally.total().failed(), 2);
        assert_eq!(tally.total().latency.count(), 0);
    }
}
