//! When to try again, and when to give up.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use super::Signal;
use super::attempt::Failure;

/// The times of one batch; the table in [`super`] tells how they follow from the timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    /// The longest time of one attempt.
    pub(super) attempt: Duration,
    /// The longest time of all attempts.
    budget: Duration,
}

impl Schedule {
    pub(super) fn new(signal: Signal, timeout: Duration) -> Self {
        let attempts = match signal {
            Signal::Spans | Signal::Logs => 3,
            Signal::Metrics => 1,
        };
        Self {
            attempt: timeout,
            budget: timeout.saturating_mul(attempts),
        }
    }

    /// The moment at which a batch that is begun now is given up.
    pub(super) fn give_up(&self) -> Instant {
        Instant::now() + self.budget
    }

    /// The pause after the failure number `failures`, from 1; `None`: this request must not, or cannot in time, be sent again.
    pub(super) fn pause(
        &self,
        failures: u32,
        failure: &Failure,
        give_up: Instant,
    ) -> Option<Duration> {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
        let pause = (self.attempt / 10)
            .saturating_mul(doubled)
            .min(self.attempt / 2)
            .mul_f64(jitter());
        let pause = pause.max(failure.retry_after().unwrap_or_default());
        // The Collector chooses a part of this: added to a moment, it could overflow.
        let in_time = pause < give_up.saturating_duration_since(Instant::now());
        (failure.is_retryable() && in_time).then_some(pause)
    }
}

/// From 0.8 to 1.2: services that lost the same Collector do not come back in step.
fn jitter() -> f64 {
    // Each `RandomState` has other keys; the hash of nothing under them is as random as needed here.
    let random = RandomState::new().build_hasher().finish();
    let percent = u32::try_from(random % 41).unwrap_or_default();
    0.8 + f64::from(percent) / 100.0
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;

    use super::*;

    fn answered(status: u16, retry_after: Option<&str>) -> Failure {
        let mut answer = Response::builder().status(status);
        if let Some(text) = retry_after {
            answer = answer.header("retry-after", text);
        }
        Failure::Status(answer.body(Bytes::new()).unwrap())
    }

    fn pause(failures: u32, failure: &Failure) -> Option<Duration> {
        let schedule = Schedule::new(Signal::Spans, Duration::from_secs(10));
        schedule.pause(failures, failure, schedule.give_up())
    }

    #[test]
    fn pauses_double_from_one_second_to_five_with_jitter() {
        for (failures, seconds) in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (40, 5.0)] {
            let pause = pause(failures, &Failure::Timeout).unwrap().as_secs_f64();
            assert!((seconds * 0.8..=seconds * 1.2).contains(&pause), "{pause}");
        }
        let pauses: Vec<_> = (0..50).map(|_| pause(1, &Failure::Timeout)).collect();
        assert!(pauses.iter().any(|other| *other != pauses[0]));
    }

    #[test]
    fn only_what_the_specification_names_is_sent_again() {
        for status in [429, 502, 503, 504] {
            assert!(pause(1, &answered(status, None)).is_some(), "{status}");
        }
        for status in [301, 400, 401, 404, 413, 500, 501] {
            assert!(pause(1, &answered(status, None)).is_none(), "{status}");
        }
        assert!(pause(1, &Failure::Connection(String::new())).is_some());
    }

    #[test]
    fn retry_after_lengthens_the_pause_and_ends_the_attempts_beyond_the_budget() {
        assert_eq!(
            pause(1, &answered(503, Some("7"))),
            Some(Duration::from_secs(7))
        );
        assert!(pause(1, &answered(503, Some("0"))) >= Some(Duration::from_millis(800)));
        assert_eq!(pause(1, &answered(503, Some("31"))), None);
        let endless = answered(503, Some("18446744073709551615"));
        assert_eq!(pause(1, &endless), None);
        let date = answered(503, Some("Wed, 21 Oct 2026 07:28:00 GMT"));
        assert!(pause(1, &date) <= Some(Duration::from_millis(1200)));
    }
}
