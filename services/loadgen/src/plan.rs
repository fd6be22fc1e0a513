//! What a run will do, and how much of it is allowed.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use http::Uri;
use http::uri::{Authority, Scheme};

use crate::mix::{Mix, Route};
use crate::pace;

/// No run has more arrivals: at [`crate::requests::MAX_UNITS`] units an order, far less than the seeded stock of eleven million.
pub const MAX_REQUESTS: u64 = 100_000;
/// No run goes on for longer, warm-up included.
pub const MAX_TIME: Duration = Duration::from_secs(600);
/// The pacing was measured up to here: it was late by 0.1 ms.
pub const MAX_RATE: f64 = 20_000.0;
/// Each is a connection: below the 1,024 open files that a process often gets.
pub const MAX_IN_FLIGHT: usize = 1_000;
/// How long to wait for one answer, at most.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct Plan {
    pub gateway: Authority,
    /// Arrivals per second.
    pub rate: f64,
    /// Arrivals that are due this early are sent and not measured.
    pub warm_up: Duration,
    pub amount: Amount,
    pub mix: Mix,
    /// What [`Route::Scenario`] runs.
    pub scenario: String,
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
    /// Orders at a constant rate for as long as a run may take, without warm-up.
    ///
    /// # Errors
    /// `gateway` is not `http://HOST:PORT` of this machine.
    pub fn orders(gateway: &str, rate: f64) -> anyhow::Result<Self> {
        Ok(Self {
            gateway: loopback(gateway)?,
            rate,
            warm_up: Duration::ZERO,
            amount: Amount::For(MAX_TIME.min(pace::offset(MAX_REQUESTS, rate))),
            mix: Mix::only(Route::Orders),
            scenario: "normal".to_owned(),
            in_flight: 256,
            timeout: Duration::from_secs(25),
            seed: 1,
        })
    }

    /// One scenario at a constant rate for as long as a run may take, without warm-up.
    ///
    /// # Errors
    /// As [`Plan::orders`].
    pub fn scenario(gateway: &str, rate: f64, name: &str) -> anyhow::Result<Self> {
        Ok(Self {
            mix: Mix::only(Route::Scenario),
            scenario: name.to_owned(),
            ..Self::orders(gateway, rate)?
        })
    }

    /// Refuses what is beyond the limits, with the value and the limit.
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
            "--timeout {timeout:?}: expected at most {MAX_TIMEOUT:?}"
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
            "this would take {time:?}, and {MAX_TIME:?} is the longest a run may take: shorten --duration or --warm-up, or raise --rate"
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

/// The host and port of a gateway on this machine: load is for systems that are yours.
pub fn loopback(url: &str) -> anyhow::Result<Authority> {
    let uri: Uri = url.parse().with_context(|| format!("--gateway {url}"))?;
    let is_root = uri.path() == "/" && uri.query().is_none();
    let authority = match uri.authority() {
        Some(authority) if uri.scheme() == Some(&Scheme::HTTP) && is_root => authority,
        _ => bail!("--gateway {url}: expected http://HOST:PORT"),
    };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_local =
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    ensure!(is_local, "--gateway {url}: {host} is not this machine");
    Ok(authority.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rate: f64, amount: Amount) -> Plan {
        Plan {
            amount,
            rate,
            ..Plan::orders("http://127.0.0.1:1", 1.0).unwrap()
        }
    }

    fn seconds(seconds: u64) -> Amount {
        Amount::For(Duration::from_secs(seconds))
    }

    #[test]
    fn limits_are_allowed_and_what_is_beyond_them_is_refused_with_both_values() {
        for plan in [
            plan(MAX_RATE, seconds(5)),
            plan(100.0, seconds(600)),
            plan(200.0, Amount::Sent(MAX_REQUESTS)),
            plan(0.1, Amount::Sent(60)),
            Plan::orders("http://[::1]:1", 3_000.0).unwrap(),
        ] {
            plan.check().unwrap();
        }
        let base = || plan(1.0, seconds(600));
        let warm = Plan {
            warm_up: Duration::from_secs(5),
            ..base()
        };
        let waiting = Plan {
            timeout: Duration::from_secs(61),
            ..base()
        };
        let crowded = Plan {
            in_flight: 1_001,
            ..base()
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
                "take 601s, and 600s is the longest",
            ),
            (plan(1.0, Amount::Sent(601)), "take 601s, and 600s"),
            (plan(1.0, seconds(0)), "nothing to do"),
            (warm, "take 605s, and 600s"),
            (waiting, "--timeout 61s: expected at most 60s"),
            (crowded, "--in-flight 1001: expected 1 to 1000"),
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

    #[test]
    fn only_a_gateway_of_this_machine_is_accepted() {
        for host in ["127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "localhost:1"] {
            assert_eq!(loopback(&format!("http://{host}")).unwrap(), host);
        }
        for (url, expected) in [
            ("127.0.0.1:8080", "expected http://HOST:PORT"),
            ("https://127.0.0.1:8080", "expected http://HOST:PORT"),
            ("http://127.0.0.1:8080/api", "expected http://HOST:PORT"),
            ("http://127.0.0.1:8080/?a=b", "expected http://HOST:PORT"),
            ("not a url", "--gateway not a url"),
            ("http://10.0.0.7:1", "10.0.0.7 is not this machine"),
            ("http://[2001:db8::1]:1", "is not this machine"),
            ("http://localhost.example:1", "is not this machine"),
            ("http://0.0.0.0:1", "0.0.0.0 is not this machine"),
        ] {
            let refused = format!("{:#}", loopback(url).unwrap_err());
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
