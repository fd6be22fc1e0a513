//! Claims about Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::Scene;
use crate::backend::{Prometheus, Sample, ScrapeTarget};
use crate::claim::{Amount, Series};
use crate::poll::Look;

/// Components that must be scraped; Tempo and Grafana are, where there are any.
const SCRAPED: [&str; 4] = ["otel-collector", "prometheus", "loki", "promtail"];

/// How much the series of `promql` rose since the baseline, series by series: a series that has gone since counts
/// nothing, one that has come counts whole.
pub(super) async fn rises(scene: &Scene, promql: &str, by: Amount) -> anyhow::Result<Look> {
    let Some(before) = scene.baseline.series.get(promql) else {
        return Ok(Look::Broken(
            "no baseline: Prometheus had no fresh sample before the drive".to_owned(),
        ));
    };
    let after = live(&scene.prometheus, promql, scene.baseline.since).await?;
    let moved = risen(before, &after);
    let (expected, is_final) = match by {
        Amount::Exactly(expected) => (expected, true),
        Amount::Answers(which) => {
            let count = scene
                .driven
                .answers
                .iter()
                .filter(|answer| which(answer))
                .count();
            (count as f64, true)
        }
        Amount::AtLeast(least) if moved >= least => {
            return Ok(Look::Holds(format!("moved by {moved}")));
        }
        Amount::AtLeast(least) => {
            return Ok(Look::NotYet(format!(
                "moved by {moved} instead of at least {least} ({} series)",
                after.len()
            )));
        }
        Amount::Spans(which) => match scene.all_traces().await? {
            Ok(traces) => {
                let spans = traces.iter().flat_map(|trace| &trace.spans);
                (spans.filter(|span| which(span)).count() as f64, false)
            }
            Err(not_yet) => return Ok(not_yet),
        },
    };
    Ok(if moved == expected && expected > 0.0 {
        Look::Holds(format!("moved by {moved}"))
    } else if moved > expected && is_final {
        Look::Broken(format!(
            "moved by {moved} instead of {expected}: is somebody else using the shop?"
        ))
    } else {
        Look::NotYet(format!(
            "moved by {moved} instead of {expected} ({} series)",
            after.len()
        ))
    })
}

/// The series of a counter that still get samples. An instant query also answers what a process that has ended since
/// said up to five minutes ago: the counts of a Collector or service that was restarted under the same labels.
pub(crate) async fn live(
    prometheus: &Prometheus,
    promql: &str,
    since: f64,
) -> anyhow::Result<Vec<Sample>> {
    let query = format!("{promql} and (timestamp({promql}) >= {since:.3})");
    prometheus.query(&query).await
}

fn risen(before: &[Sample], after: &[Sample]) -> f64 {
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

pub(super) async fn series(scene: &Scene, promql: &str, holds: Series) -> anyhow::Result<Look> {
    match holds {
        Series::Fresh => fresh(scene, promql).await,
        Series::AllOne => {
            let samples = scene.prometheus.query(promql).await?;
            let off = samples.iter().find(|sample| sample.value != 1.0);
            Ok(match (samples.len(), off) {
                (0, _) => Look::NotYet("no series".to_owned()),
                (_, Some(sample)) => {
                    Look::NotYet(format!("{} of {:?}", sample.value, sample.labels))
                }
                (count, None) => Look::Holds(format!("{count} series")),
            })
        }
        Series::Megabytes { at_most, goal } => {
            let samples = scene.prometheus.query(promql).await?;
            Ok(megabytes(&samples, at_most, goal))
        }
        Series::Nothing => {
            let samples = scene.prometheus.query(promql).await?;
            Ok(match samples.iter().find(|sample| sample.value != 0.0) {
                Some(sample) => Look::NotYet(format!("{} of {:?}", sample.value, sample.labels)),
                None => Look::Holds("0".to_owned()),
            })
        }
    }
}

fn megabytes(samples: &[Sample], at_most: u64, goal: u64) -> Look {
    let Some(most) = samples
        .iter()
        .map(|sample| sample.value / 1e6)
        .reduce(f64::max)
    else {
        return Look::NotYet("no series".to_owned());
    };
    let state = format!("{most:.1} MB, at most {at_most} MB, goal {goal} MB");
    if most <= at_most as f64 {
        Look::Holds(state)
    } else {
        Look::NotYet(state)
    }
}

/// The newest sample must be younger than the drive: an instant query also answers what is five minutes old.
async fn fresh(scene: &Scene, promql: &str) -> anyhow::Result<Look> {
    let samples = scene.prometheus.query(promql).await?;
    let times = scene
        .prometheus
        .query(&format!("timestamp({promql})"))
        .await?;
    let newest = times
        .iter()
        .map(|sample| sample.value)
        .fold(f64::NEG_INFINITY, f64::max);
    let started = epoch_seconds(scene.driven.started);
    Ok(if samples.is_empty() {
        Look::NotYet("no series".to_owned())
    } else if newest < started {
        Look::NotYet(format!(
            "the newest sample is {:.1} s older than the drive",
            started - newest
        ))
    } else {
        let value = samples
            .iter()
            .map(|sample| sample.value)
            .fold(f64::NEG_INFINITY, f64::max);
        Look::Holds(format!("{value:.2}, {} series", samples.len()))
    })
}

pub(super) async fn targets_up(scene: &Scene) -> anyhow::Result<Look> {
    let targets = scene.prometheus.targets().await?;
    if let Some(target) = targets.iter().find(|target| target.health != "up") {
        let ScrapeTarget {
            job,
            url,
            health,
            error,
        } = target;
        return Ok(Look::NotYet(format!("{job} ({url}) is {health}: {error}")));
    }
    let jobs: BTreeSet<&str> = targets.iter().map(|target| target.job.as_str()).collect();
    Ok(match SCRAPED.iter().find(|job| !jobs.contains(**job)) {
        Some(missing) => Look::NotYet(format!("{missing} is not among the targets: {jobs:?}")),
        None => Look::Holds(jobs.into_iter().collect::<Vec<_>>().join(", ")),
    })
}

/// Exemplars that were made by this drive, each of whose traces the trace store has.
pub(super) async fn exemplars(scene: &Scene) -> anyhow::Result<Look> {
    let query = "traces_spanmetrics_latency_bucket";
    let found = scene
        .prometheus
        .exemplars(query, scene.driven.started)
        .await?;
    let ours = scene.driven.trace_ids();
    let Some(exemplar) = found
        .iter()
        .find(|exemplar| ours.contains(exemplar.trace_id.as_str()))
    else {
        return Ok(Look::NotYet(format!(
            "{} exemplars, none of this drive",
            found.len()
        )));
    };
    Ok(match scene.trace_by_id(&exemplar.trace_id).await? {
        None => Look::NotYet(format!(
            "the exemplar's trace {} is not there",
            exemplar.trace_id
        )),
        Some(trace) => Look::Holds(format!(
            "{} of {} exemplars are of this drive; {} of {} leads to {} spans",
            found
                .iter()
                .filter(|exemplar| ours.contains(exemplar.trace_id.as_str()))
                .count(),
            found.len(),
            exemplar.trace_id,
            exemplar
                .series
                .get("service_name")
                .map_or("?", String::as_str),
            trace.spans.len()
        )),
    })
}

pub(crate) fn epoch_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(instance: &str, value: f64) -> Sample {
        Sample {
            labels: BTreeMap::from([("instance".to_owned(), instance.to_owned())]),
            value,
        }
    }

    #[test]
    fn a_series_of_an_earlier_process_that_goes_stale_takes_nothing_away() {
        let before = [sample("old", 40.0), sample("new", 2.0)];
        assert_eq!(risen(&before, &[sample("new", 5.0)]), 3.0);
    }

    #[test]
    fn no_series_is_no_rise() {
        assert_eq!(format!("moved by {}", risen(&[], &[])), "moved by 0");
    }

    #[test]
    fn a_series_that_is_new_counts_whole() {
        assert_eq!(risen(&[], &[sample("new", 4.0)]), 4.0);
    }

    #[test]
    fn memory_above_its_limit_is_told_and_none_at_all_is_no_proof() {
        let sample = |value| Sample {
            labels: BTreeMap::new(),
            value,
        };
        assert!(matches!(megabytes(&[sample(19e6)], 20, 10), Look::Holds(_)));
        assert_eq!(
            megabytes(&[sample(19e6), sample(21e6)], 20, 10),
            Look::NotYet("21.0 MB, at most 20 MB, goal 10 MB".to_owned())
        );
        assert!(matches!(megabytes(&[], 20, 10), Look::NotYet(_)));
    }
}
