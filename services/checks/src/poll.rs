//! Waiting for telemetry to arrive: ask again until the answer is final or the deadline passes.

use std::time::{Duration, Instant};

use crate::report::Outcome;

/// What one look at a backend says about a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It holds; the text is the evidence.
    Holds(String),
    /// Not yet; the text is the state seen, reported if the deadline passes.
    NotYet(String),
    /// It can no longer become true; asking again is pointless.
    Broken(String),
    /// It cannot be asked here; the text names what is missing.
    Missing(String),
}

/// How a check ended, and after how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    pub outcome: Outcome,
    pub after: Duration,
}

/// Calls `look` every `pause` until it holds, breaks, or `deadline` has passed since the call.
///
/// The last look always happens after the deadline's last pause, so that a slow answer is judged once more.
pub async fn poll<F>(deadline: Duration, pause: Duration, mut look: F) -> Settled
where
    F: AsyncFnMut() -> Look,
{
    let begun = Instant::now();
    loop {
        let seen = look().await;
        let after = begun.elapsed();
        let outcome = match seen {
            Look::Holds(evidence) => Outcome::Passed(evidence),
            Look::Broken(state) => Outcome::Failed(state),
            Look::Missing(what) => Outcome::Skipped(what),
            Look::NotYet(state) if after >= deadline => Outcome::Failed(state),
            Look::NotYet(_) => {
                tokio::time::sleep(pause).await;
                continue;
            }
        };
        return Settled { outcome, after };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_look_decides_and_a_final_one_ends_the_poll() {
        use Look::{Broken, Holds, Missing, NotYet};
        let text = || "2 of 3".to_owned();
        let cases = [
            (
                vec![NotYet(String::new()), Holds(text())],
                Outcome::Passed(text()),
                2,
            ),
            (
                vec![Broken(text()), Holds(String::new())],
                Outcome::Failed(text()),
                1,
            ),
            (
                vec![Missing(text()), Holds(String::new())],
                Outcome::Skipped(text()),
                1,
            ),
        ];
        for (looks, outcome, times) in cases {
            let mut asked = 0;
            let settled = poll(
                Duration::from_secs(60),
                Duration::from_millis(1),
                async || {
                    asked += 1;
                    looks[asked - 1].clone()
                },
            );
            assert_eq!(settled.await.outcome, outcome);
            assert_eq!(asked, times);
        }
        let never = async || NotYet(text());
        let settled = poll(Duration::from_millis(5), Duration::from_millis(1), never).await;
        assert_eq!(settled.outcome, Outcome::Failed(text()));
    }
}
