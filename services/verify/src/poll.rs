//! Waiting for telemetry to arrive: ask again until it holds or the deadline passes.

use std::time::{Duration, Instant};

use crate::report::Outcome;

/// What one look at a backend says about a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// The claim holds; the text is the evidence.
    Holds(String),
    /// Not yet; the text is the state seen, reported if the deadline passes.
    NotYet(String),
    /// It can no longer become true; asking again is pointless.
    Broken(String),
    /// It cannot be asked here; the text names what is missing.
    Missing(String),
}

/// How a claim ended, and after how long.
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

    async fn looks(sequence: &[Look]) -> Settled {
        let mut left = sequence.iter().cloned();
        poll(
            Duration::from_millis(20),
            Duration::from_millis(1),
            async || {
                left.next()
                    .unwrap_or_else(|| sequence.last().cloned().unwrap())
            },
        )
        .await
    }

    #[tokio::test]
    async fn a_claim_that_comes_true_late_passes_with_its_evidence() {
        let settled = looks(&[Look::NotYet("0 lines".into()), Look::Holds("1 line".into())]).await;
        assert_eq!(settled.outcome, Outcome::Passed("1 line".to_owned()));
    }

    #[tokio::test]
    async fn a_claim_that_never_comes_true_reports_the_last_state() {
        let settled = looks(&[
            Look::NotYet("0 lines".into()),
            Look::NotYet("2 of 3 lines".into()),
        ])
        .await;
        assert_eq!(settled.outcome, Outcome::Failed("2 of 3 lines".to_owned()));
    }

    #[tokio::test]
    async fn a_broken_claim_is_not_asked_again() {
        let mut asked = 0;
        let settled = poll(
            Duration::from_secs(60),
            Duration::from_millis(1),
            async || {
                asked += 1;
                Look::Broken("moved by 9".into())
            },
        )
        .await;
        assert_eq!(settled.outcome, Outcome::Failed("moved by 9".to_owned()));
        assert_eq!(asked, 1);
    }
}
