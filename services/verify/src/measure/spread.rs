//! Median and 95th percentile of a few measured times.

use std::time::Duration;

/// Times in ascending order.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread(Vec<Duration>);

// === impl Spread ===

impl Spread {
    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn median(&self) -> Option<Duration> {
        self.percentile(50)
    }

    pub(super) fn p95(&self) -> Option<Duration> {
        self.percentile(95)
    }

    /// The nearest rank: a time that was really measured.
    fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let spread = Spread::of((1..=20).rev().map(Duration::from_millis).collect());
        assert_eq!(spread.median(), Some(Duration::from_millis(10)));
        assert_eq!(spread.p95(), Some(Duration::from_millis(19)));
        assert_eq!(Spread::default().p95(), None);
    }
}
