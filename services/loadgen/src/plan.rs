//! What a run will do, and how much of it is allowed.

use std::time::Duration;

use anyhow::ensure;

use crate::mix::Mix;
use crate::pace;

/// No run has more arrivals: at [`crate::shape::MAX_UNITS`] units an order, far less than the seeded stock of eleven million.
pub const MAX_REQUESTS: u64 = 100_000;
/// No run goes on for longer, warm-up included.
pub const MAX_TIME: Duration = Duration::from_secs(600);
/// The pacing was measured up to here: it was late by 0.1 ms.
pub const MAX_RATE: f64 = 20_000.0;
/// Each is a connection: below the 1,024 open files that a process often gets.
pub const MAX_IN_FLIGHT: usize = 1_000;
/// How long one request may be waited for, at most.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// A run that is allowed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Arrivals per second.
    pub rate: f64,
    /// Arrivals that are due this early are sent and not measured.
    pub warm_up: Duration,
    pub amount: Amount,
    pub mix: Mix,
    /// An arrival that finds so many requests unanswered is shed.
    pub in_flight: usize,
    pub timeout: Duration,
    pub seed: u64,
}

/// When a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Arrivals for so long.
    For(Duration),
    /// When so many were sent. Arrivals that were shed do not count, others come in their place.
    Sent(u64),
}

impl Plan {
    /// Refuses what is beyond the limits, and says by how much.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self {
            rate,
            in_flight,
            timeout,
            ..
        } = self;
        ensure!(
            *rate > 0.0 && *rate <= MAX_RATE,
            "--rate {rate}: expected arrivals per second, above 0 and at most {MAX_RATE}"
        );
        ensure!(
            (1..=MAX_IN_FLIGHT).contains(in_flight),
            "--in-flight {in_flight}: expected 1 to {MAX_IN_FLIGHT}"
        );
        ensure!(
            *timeout > Duration::ZERO && *timeout <= MAX_TIMEOUT,
            "--timeout {}: expected at most {}",
            text(*timeout),
            text(MAX_TIMEOUT)
        );
        let time = self.time();
        ensure!(
            time > Duration::ZERO,
            "nothing to do: --duration or --orders is 0"
        );
        // Counted first: a million orders are too many however long they may take.
        let requests = match self.amount {
            Amount::For(_) => time.as_secs_f64() * rate,
            Amount::Sent(requests) => requests as f64,
        };
        ensure!(
            requests.round() <= MAX_REQUESTS as f64,
            "this would be {requests:.0} requests, and {MAX_REQUESTS} is the most a run may send: lower --rate, --duration or --orders"
        );
        ensure!(
            time <= MAX_TIME,
            "this would take {}, and {} is the longest a run may take: shorten --duration or --warm-up, or raise --rate",
            text(time),
            text(MAX_TIME)
        );
        Ok(())
    }

    /// How long arrivals are planned for, warm-up included.
    #[must_use]
    pub fn time(&self) -> Duration {
        match self.amount {
            Amount::For(duration) => self.warm_up.saturating_add(duration),
            Amount::Sent(requests) => pace::offset(requests, self.rate),
        }
    }

    /// How many arrivals are planned: with [`Amount::Sent`] if none is shed.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        match self.amount {
            Amount::For(_) => self.arrivals_within(self.time()),
            Amount::Sent(requests) => requests,
        }
    }

    /// After how many arrivals the run ends in any case.
    #[must_use]
    pub fn most_arrivals(&self) -> u64 {
        match self.amount {
            Amount::For(_) => self.arrivals(),
            Amount::Sent(_) => self.arrivals_within(MAX_TIME).min(MAX_REQUESTS),
        }
    }

    /// How many arrivals come before the figures begin.
    #[must_use]
    pub fn warm_up_arrivals(&self) -> u64 {
        self.arrivals_within(self.warm_up)
    }

    fn arrivals_within(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * self.rate).round() as u64
    }
}

/// As the options take it.
pub(crate) fn text(duration: Duration) -> String {
    // Finer than a microsecond is noise.
    let rounded = Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    humantime::format_duration(rounded).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rate: f64, amount: Amount) -> Plan {
        Plan {
            rate,
            warm_up: Duration::ZERO,
            amount,
            mix: Mix::default(),
            in_flight: 10,
            timeout: Duration::from_secs(1),
            seed: 1,
        }
    }

    fn seconds(seconds: u64) -> Amount {
        Amount::For(Duration::from_secs(seconds))
    }

    #[test]
    fn the_limits_themselves_are_allowed() {
        for plan in [
            plan(MAX_RATE, seconds(5)),
            plan(100.0, seconds(600)),
            plan(200.0, Amount::Sent(MAX_REQUESTS)),
            plan(0.1, Amount::Sent(60)),
        ] {
            plan.check().unwrap();
        }
    }

    #[test]
    fn what_is_beyond_a_limit_is_refused_with_the_value_and_the_limit() {
        let warm = |plan: Plan| Plan {
            warm_up: Duration::from_secs(5),
            ..plan
        };
        let waiting = |plan: Plan| Plan {
            timeout: Duration::from_secs(61),
            ..plan
        };
        let crowded = |plan: Plan| Plan {
            in_flight: 1_001,
            ..plan
        };
        for (plan, expected) in [
            (plan(0.0, seconds(1)), "--rate 0: "),
            (plan(-1.0, seconds(1)), "--rate -1: "),
            (plan(f64::NAN, seconds(1)), "--rate NaN: "),
            (plan(20_001.0, seconds(1)), "at most 20000"),
            (
                plan(1_000.0, seconds(101)),
                "101000 requests, and 100000 is",
            ),
            (plan(1.0, Amount::Sent(100_001)), "100001 requests, and"),
            (
                plan(1.0, seconds(601)),
                "take 10m 1s, and 10m is the longest",
            ),
            (plan(1.0, Amount::Sent(601)), "take 10m 1s, and 10m"),
            (warm(plan(1.0, seconds(600))), "take 10m 5s, and 10m"),
            (plan(1.0, seconds(0)), "nothing to do"),
            (
                waiting(plan(1.0, seconds(1))),
                "--timeout 1m 1s: expected at most 1m",
            ),
            (
                crowded(plan(1.0, seconds(1))),
                "--in-flight 1001: expected 1 to 1000",
            ),
        ] {
            let refused = plan.check().unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn a_run_of_so_many_orders_ends_at_a_limit_even_if_all_arrivals_are_shed() {
        assert_eq!(plan(1_000.0, Amount::Sent(5)).most_arrivals(), MAX_REQUESTS);
        assert_eq!(plan(2.0, Amount::Sent(5)).most_arrivals(), 1_200);
        assert_eq!(plan(2.0, seconds(5)).most_arrivals(), 10);
    }
}
