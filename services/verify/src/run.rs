//! A whole run: gate, baseline, drive, and then every row until it settles.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use checks::{Driven, Stage};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;

use crate::check::{Baseline, Scene, epoch_seconds, live};
use crate::claim::{Claim, Row};
use crate::claims::{self, Counts};
use crate::expectations;
use crate::poll::{Look, Settled, poll};
use crate::report::{Line, Outcome, Report};
use crate::sockets::Seen;
use crate::target::Target;

/// Questions asked at the same time; more would be queued by the backends, not answered sooner.
const AT_ONCE: usize = 8;
const PAUSE: Duration = Duration::from_millis(400);
/// Between two looks at the services' sockets.
const WATCH: Duration = Duration::from_millis(100);
const SPANS_ARRIVE: Duration = Duration::from_millis(500);

/// How long each stage waits for its rows.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub gate: Duration,
    pub baseline: Duration,
    pub arrival: Duration,
    pub closing: Duration,
}

// === impl Patience ===

impl Default for Patience {
    fn default() -> Self {
        Self {
            gate: Duration::from_secs(15),
            // Two flushes of the connectors, an export interval and a rule evaluation.
            baseline: Duration::from_secs(25),
            // Data is there within an export interval, a flush of the connectors and a rule evaluation; the rest is slack.
            arrival: Duration::from_secs(40),
            closing: Duration::from_secs(30),
        }
    }
}

/// Judges the rows that `wanted` accepts against `target`; they are in the report then.
pub async fn run<W: Write>(
    target: &Target,
    mut patience: Patience,
    wanted: impl Fn(&Row) -> bool,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    let mut scene = target.scene().await?;
    let asks_promtool = |row: &Row| match &row.claim {
        Claim::Shipped(shipped) => shipped.is_of_promtool() && wanted(row),
        _ => false,
    };
    if claims::rows(&scene.artifacts).iter().any(asks_promtool) {
        for test in &scene.artifacts.tests {
            test.begin().await?;
        }
    }
    report.say(format_args!("traces from {}", scene.traces.describe()))?;
    let checks = Arc::clone(&scene.checks);
    let of = |stage| only(expectations::rows(&checks, stage), &wanted);
    judge(&scene, of(Stage::Gate), patience.gate, report).await?;
    if report.tally().failed > 0 {
        // What is not there does not come by waiting for its metrics.
        patience.baseline = Duration::ZERO;
    }

    let arriving = of(Stage::Arrive);
    take_baseline(&mut scene, &arriving, patience.baseline, report).await?;
    match drive(&mut scene, target).await {
        Ok(driven) => scene.driven = driven,
        Err(error) => {
            report.add(Line {
                name: "the drive gets its answers".to_owned(),
                query: None,
                outcome: Outcome::Failed(format!("{error:#}")),
                after: Duration::ZERO,
            })?;
            return Ok(());
        }
    }
    let ended = Instant::now();
    report.say(format_args!(
        "drove {} requests, marker {}",
        scene.driven.answers.len(),
        scene.driven.marker
    ))?;

    // Rows with a limit of their own come first, as their time runs from the end of the drive.
    let (limited, others): (Vec<Row>, Vec<Row>) =
        arriving.into_iter().partition(|row| within(row).is_some());
    for outcome in timed(&scene, limited, ended).await {
        report.add(outcome)?;
    }
    let mut rows = only(expectations::answers(&checks), &wanted);
    rows.extend(others);
    rows.extend(only(expectations::arriving(), &wanted));
    judge(&scene, rows, patience.arrival, report).await?;
    let mut rows = of(Stage::Close);
    rows.extend(only(expectations::closing(&scene.lists.services), &wanted));
    judge(&scene, rows, patience.closing, report).await?;
    shipped(&scene, &patience, wanted, report).await
}

fn within(row: &Row) -> Option<Duration> {
    match &row.claim {
        Claim::Check(check) => check.limit(),
        Claim::Compared(_) | Claim::Shipped(_) => None,
    }
}

/// All at the same time, without turns: each must hold within its limit.
async fn timed(scene: &Scene, rows: Vec<Row>, ended: Instant) -> Vec<Line> {
    join_all(rows.into_iter().map(async |row| {
        let limit = within(&row).unwrap_or_default();
        let row = scene.filled(row).await;
        let settled = poll(limit.saturating_sub(ended.elapsed()), PAUSE, async || {
            scene.look(&row).await
        })
        .await;
        line(&row, settled)
    }))
    .await
}

/// What the shipped files claim.
async fn shipped<W: Write>(
    scene: &Scene,
    patience: &Patience,
    wanted: impl Fn(&Row) -> bool,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    let rows = only(claims::rows(&scene.artifacts), &wanted);
    if rows.is_empty() {
        return Ok(());
    }
    judge(scene, rows.clone(), patience.closing, report).await?;
    let counts = Counts::of(&rows, report.lines());
    Ok(report.say(format_args!("\n{counts}"))?)
}

fn only(rows: Vec<Row>, wanted: impl Fn(&Row) -> bool) -> Vec<Row> {
    rows.into_iter().filter(|row| wanted(row)).collect()
}

/// Rows are asked at the same time and printed in the order of the table.
async fn judge<W: Write>(
    scene: &Scene,
    rows: Vec<Row>,
    patience: Duration,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    let turns = Semaphore::new(AT_ONCE);
    let all = rows.len();
    let mut settled = stream::iter(rows)
        .map(|row| {
            let turns = &turns;
            async move {
                let row = scene.filled(row).await;
                let settled = poll(patience, PAUSE, async || match turns.acquire().await {
                    Ok(_turn) => scene.look(&row).await,
                    Err(closed) => Look::Broken(closed.to_string()),
                })
                .await;
                line(&row, settled)
            }
        })
        .buffered(all.max(1));
    while let Some(line) = settled.next().await {
        report.add(line)?;
    }
    Ok(())
}

fn line(row: &Row, Settled { outcome, after }: Settled) -> Line {
    let outcome = match (outcome, row.remedy()) {
        (Outcome::Failed(state), Some(remedy)) => {
            Outcome::Failed(format!("{state}\n     try: {remedy}"))
        }
        (outcome, _) => outcome,
    };
    Line {
        query: row.claim.query(),
        name: row.name.clone(),
        outcome,
        after,
    }
}

/// Counters are compared with their state before the drive. What was counted before but not yet exported must be in
/// that state, or it would look like ours: hence a sample newer than now of each service, and rules that caught up.
async fn take_baseline<W: Write>(
    scene: &mut Scene,
    rows: &[Row],
    patience: Duration,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    let begun = SystemTime::now();
    // Makes spans: a Collector that was just started has no span metrics before the first of them.
    if let Err(error) = scene.driver.ready().await {
        report.say(format_args!("{error:#}"))?;
    }
    let mut flow = Baseline::default();
    let settled = poll(patience, PAUSE, async || {
        let state = async {
            let late = [
                busy(scene, &mut flow).await?,
                stale(scene, begun).await?,
                behind(scene).await?,
            ];
            anyhow::Ok(late.into_iter().flatten().next())
        };
        match state.await {
            Err(error) => Look::NotYet(format!("{error:#}")),
            Ok(Some(state)) => Look::NotYet(state),
            Ok(None) => Look::Holds("all services, recording rules, empty queues".to_owned()),
        }
    })
    .await;
    let is_settled = matches!(settled.outcome, Outcome::Passed(_));
    report.add(Line {
        name: "metrics are fresh before the drive".to_owned(),
        query: None,
        outcome: settled.outcome,
        after: settled.after,
    })?;
    if !is_settled {
        return Ok(());
    }
    scene.baseline.since = epoch_seconds(begun);
    for row in rows {
        if let Claim::Check(check) = &scene.filled(row.clone()).await.claim
            && let (Some(promql), Some(_)) = (&check.promql, &check.moves_by)
        {
            let series = live(&scene.prometheus, promql, scene.baseline.since).await?;
            scene.baseline.series.insert(promql.clone(), series);
        }
    }
    scene.baseline.gaps = flow.gaps;
    scene.baseline.losses = flow.losses;
    Ok(())
}

/// Whether the Collector is busy. An item between receiver and exporter is in no queue: only a gap that two looks find alike
/// is one, or the row about it would miss an item less than nothing.
async fn busy(scene: &Scene, last: &mut Baseline) -> anyhow::Result<Option<String>> {
    let scrape = scene.collector.metrics().await?;
    let mut now = Baseline::default();
    let is_empty = now.take_gaps(&scrape);
    let is_steady = now.gaps == last.gaps;
    *last = now;
    Ok((!(is_empty && is_steady)).then(|| "the Collector's queues or counts move".to_owned()))
}

/// The first service whose newest sample is older than `begun`.
async fn stale(scene: &Scene, begun: SystemTime) -> anyhow::Result<Option<String>> {
    let newest = scene
        .prometheus
        .query("max by (service_name) (timestamp(process_uptime_seconds))")
        .await?;
    for service in &scene.lists.services {
        let at = newest.iter().find(|sample| {
            sample
                .labels
                .get("service_name")
                .is_some_and(|name| name == service)
        });
        match at {
            None => return Ok(Some(format!("no metrics of {service}"))),
            Some(at) if at.value < epoch_seconds(begun) => {
                let age = epoch_seconds(begun) - at.value;
                return Ok(Some(format!(
                    "the newest sample of {service} is {age:.1} s older than the run"
                )));
            }
            Some(_) => {}
        }
    }
    // A span is at the Collector within the services' batch delay. A series that is new at the connector's next flush is
    // sent as 0 first, so that `rate()` sees its beginning: only the flush after that one has all counts.
    let after = epoch_seconds(begun) + (SPANS_ARRIVE + scene.interval).as_secs_f64();
    let flushed = format!("max(timestamp(traces_spanmetrics_calls_total)) >= {after:.3}");
    let is_flushed = !scene.prometheus.query(&flushed).await?.is_empty();
    Ok((!is_flushed).then(|| "the span metrics are older than the run".to_owned()))
}

/// Whether the recording rules lag behind.
async fn behind(scene: &Scene) -> anyhow::Result<Option<String>> {
    let sum = async |promql: &str| -> anyhow::Result<f64> {
        let samples = scene.prometheus.query(promql).await?;
        Ok(samples.iter().map(|sample| sample.value).sum())
    };
    // Of processes that run: of others, the copies outlive their source where Prometheus itself was started again.
    const ALIVE: &str =
        "and on (service_name, instance) (time() - timestamp(process_uptime_seconds) < 30)";
    let source = sum(&format!(
        r#"sum(http_server_request_duration_seconds_count{{service_name=~"gateway|product"}} {ALIVE})"#
    ))
    .await?;
    let copy = sum(&format!("sum(http_requests_total {ALIVE})")).await?;
    Ok((source != copy).then(|| format!("http_requests_total is {copy}, its source {source}")))
}

/// Drives, and meanwhile watches whom the services are connected to.
async fn drive(scene: &mut Scene, target: &Target) -> anyhow::Result<Driven> {
    let mut seen = std::mem::take(&mut scene.sockets);
    let driven = tokio::select! {
        driven = scene.driver.drive() => driven,
        error = watch(target, &mut seen) => Err(error),
    };
    scene.sockets = seen;
    driven
}

/// Looks until a look fails: a service has ended.
async fn watch(target: &Target, seen: &mut Seen) -> anyhow::Error {
    loop {
        for (service, pid) in &target.pids {
            if let Err(error) = seen.look(service, *pid) {
                return error;
            }
        }
        tokio::time::sleep(WATCH).await;
    }
}
