//! The state before the drive, and how much a counter rose since.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use crate::backend::{Prometheus, Sample};

#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// When it was begun, in seconds since 1970.
    pub since: f64,
    /// The series of each counter row, by query.
    pub series: HashMap<String, Vec<Sample>>,
    /// For each signal: accepted minus sent, while no queue held anything.
    pub gaps: BTreeMap<&'static str, f64>,
    /// What the Collector had refused or lost by then, by metric.
    pub losses: BTreeMap<String, f64>,
}

/// The series of a counter that still get samples. An instant query also answers what a process that has ended since
/// sent up to five minutes ago: the counts of a Collector or service that was restarted under the same labels.
pub(crate) async fn live(
    prometheus: &Prometheus,
    promql: &str,
    since: f64,
) -> anyhow::Result<Vec<Sample>> {
    let query = format!("{promql} and (timestamp({promql}) >= {since:.3})");
    prometheus.query(&query).await
}

/// The rise, series by series: a series that has ended since counts nothing, a new one counts whole.
pub(super) fn risen(before: &[Sample], after: &[Sample]) -> f64 {
    let before: BTreeMap<_, f64> = before
        .iter()
        .map(|sample| (&sample.labels, sample.value))
        .collect();
    let rises = after.iter().map(|sample| {
        let was = before.get(&sample.labels).copied().unwrap_or_default();
        sample.value - was
    });
    // The sum of no numbers is -0.0.
    0.0 + rises.sum::<f64>()
}

pub(crate) fn epoch_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_counts_each_live_series_from_its_own_start() {
        let sample = |instance: &str, value| Sample {
            labels: BTreeMap::from([("instance".to_owned(), instance.to_owned())]),
            value,
        };
        let before = [sample("old", 40.0), sample("new", 2.0)];
        for (before, after, rise) in [
            (&before[..], vec![sample("new", 5.0)], "3"),
            (&[], vec![sample("new", 4.0)], "4"),
            (&[], vec![], "0"),
        ] {
            assert_eq!(risen(before, &after).to_string(), rise);
        }
    }
}
