//! How long after an order is answered each signal can be asked for it.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};
use futures_util::future::join_all;
use tokio::sync::Mutex;

use super::spread::Spread;
use crate::backend::{Loki, Prometheus, Traces};
use crate::poll::{Look, poll};
use crate::report::{Line, Outcome, Report};
use crate::target::Target;

const ORDERS: usize = 50;
/// Between two orders; no divisor of the export interval, so that orders fall everywhere in it.
const GAP: Duration = Duration::from_millis(370);
/// Telemetry that takes longer is lost as far as this is concerned.
const LONGEST: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
const PLACED: &str = r#"sum(shop_orders_total{shop_order_outcome="placed"})"#;

/// What is measured, and the median it must not exceed.
const BY_ID: (&str, Duration) = ("trace by its ID", Duration::from_millis(250));
const BY_SEARCH: (&str, Duration) = ("trace by TraceQL", Duration::from_millis(2500));
const LOGS: [(&str, &str, Duration); 2] = [
    ("log line over OTLP", "otlp", Duration::from_secs(1)),
    ("log line from the file", "file", Duration::from_secs(1)),
];
const METRIC: &str = "metric point";
const METRIC_SLACK: Duration = Duration::from_millis(500);

/// One order's times; `None` for what never came.
struct Times {
    answered: Instant,
    by_id: Option<Duration>,
    by_search: Option<Duration>,
    logs: [Option<Duration>; 2],
}

/// Places the orders and reports a row for each way to ask for them.
pub async fn freshness<W: Write>(target: &Target, report: &mut Report<W>) -> anyhow::Result<()> {
    let (loki, prometheus) = (target.loki()?, target.prometheus()?);
    let store = target.traces_from_now().await?;
    let driver = target.driver()?;
    let begun = SystemTime::now();
    let product = driver.best_stocked().await?;
    let before = placed(&prometheus).await?;
    let seen = Mutex::new(Vec::new());
    let orders = join_all((0..ORDERS).map(async |number| {
        tokio::time::sleep(GAP * u32::try_from(number)?).await;
        let answer = driver.order(&product).await?;
        let answered = Instant::now();
        ensure!(
            answer.status == 201,
            "an order was answered {}",
            answer.status
        );
        let id = answer.trace_id().context("no traceresponse")?;
        let (by_id, by_search, otlp, file) = tokio::join!(
            until(async || Ok(store.trace(id).await?.is_some())),
            by_search(&store, id, begun),
            line(&loki, LOGS[0].1, id, begun),
            line(&loki, LOGS[1].1, id, begun),
        );
        anyhow::Ok(Times {
            answered,
            by_id,
            by_search,
            logs: [otlp, file],
        })
    }));
    let counted = watch(&prometheus, before + ORDERS as f64, &seen);
    let (orders, counted) = tokio::join!(orders, counted);
    counted?;
    let orders = orders.into_iter().collect::<anyhow::Result<Vec<Times>>>()?;

    let all = |of: fn(&Times) -> Option<Duration>| orders.iter().map(of).collect::<Vec<_>>();
    add(report, BY_ID.0, BY_ID.1, all(|times| times.by_id))?;
    if let Traces::Tempo(_) = store {
        add(
            report,
            BY_SEARCH.0,
            BY_SEARCH.1,
            all(|times| times.by_search),
        )?;
    }
    add(report, LOGS[0].0, LOGS[0].2, all(|times| times.logs[0]))?;
    add(report, LOGS[1].0, LOGS[1].2, all(|times| times.logs[1]))?;
    let seen = seen.into_inner();
    let mut answered: Vec<Instant> = orders.iter().map(|times| times.answered).collect();
    answered.sort_unstable();
    let metric = (1..).zip(answered).map(|(number, at)| {
        let count = before + f64::from(number);
        let when = seen.iter().find(|(_, is)| *is >= count)?.0;
        Some(when.saturating_duration_since(at))
    });
    add(
        report,
        METRIC,
        target.interval() + METRIC_SLACK,
        metric.collect(),
    )
}

async fn by_search(store: &Traces, id: &str, since: SystemTime) -> Option<Duration> {
    let Traces::Tempo(tempo) = store else {
        return None;
    };
    let query = format!(r#"{{ trace:id = "{id}" }}"#);
    until(async || Ok(tempo.search(&query, since).await?.contains(id))).await
}

async fn line(loki: &Loki, lane: &str, id: &str, since: SystemTime) -> Option<Duration> {
    let query = format!(r#"{{service_name="order",lane="{lane}"}} | trace_id="{id}""#);
    until(async || {
        let lines = loki.query(&query, since, SystemTime::now()).await?;
        Ok(!lines.is_empty())
    })
    .await
}

/// How long it takes until `holds`.
async fn until(holds: impl AsyncFn() -> anyhow::Result<bool>) -> Option<Duration> {
    let settled = poll(LONGEST, PAUSE, async || match holds().await {
        Ok(true) => Look::Holds(String::new()),
        Ok(false) => Look::NotYet(String::new()),
        Err(error) => Look::NotYet(format!("{error:#}")),
    })
    .await;
    matches!(settled.outcome, Outcome::Passed(_)).then_some(settled.after)
}

async fn placed(prometheus: &Prometheus) -> anyhow::Result<f64> {
    let samples = prometheus.query(PLACED).await?;
    Ok(samples.iter().map(|sample| sample.value).sum())
}

/// Notes when the count of orders changes, until all are counted.
async fn watch(
    prometheus: &Prometheus,
    all: f64,
    seen: &Mutex<Vec<(Instant, f64)>>,
) -> anyhow::Result<()> {
    let longest = LONGEST + GAP * u32::try_from(ORDERS)?;
    poll(longest, PAUSE, async || match placed(prometheus).await {
        Ok(count) => {
            let mut seen = seen.lock().await;
            if seen.last().is_none_or(|(_, last)| *last != count) {
                seen.push((Instant::now(), count));
            }
            if count >= all {
                Look::Holds(String::new())
            } else {
                Look::NotYet(String::new())
            }
        }
        Err(error) => Look::NotYet(format!("{error:#}")),
    })
    .await;
    Ok(())
}

fn add<W: Write>(
    report: &mut Report<W>,
    name: &str,
    goal: Duration,
    times: Vec<Option<Duration>>,
) -> anyhow::Result<()> {
    let asked = times.len();
    let spread = Spread::of(times.into_iter().flatten().collect());
    let (Some(median), Some(p95)) = (spread.median(), spread.p95()) else {
        return Ok(report.add(row(name, Outcome::Failed("nothing came".to_owned())))?);
    };
    let state = format!(
        "median {:.2} s, 95th percentile {:.2} s, goal {:.2} s, {} of {asked} orders",
        median.as_secs_f64(),
        p95.as_secs_f64(),
        goal.as_secs_f64(),
        spread.len(),
    );
    let outcome = if median <= goal && spread.len() == asked {
        Outcome::Passed(state)
    } else {
        Outcome::Failed(state)
    };
    Ok(report.add(row(name, outcome))?)
}

fn row(name: &str, outcome: Outcome) -> Line {
    Line {
        name: format!("from an order's answer to its {name}"),
        query: None,
        outcome,
        after: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(times: Vec<Option<Duration>>) -> Outcome {
        let mut report = Report::new(Vec::new());
        add(&mut report, "x", Duration::from_millis(100), times).unwrap();
        report.lines()[0].outcome.clone()
    }

    #[test]
    fn a_late_median_or_a_missing_order_fails() {
        let time = |ms| Some(Duration::from_millis(ms));
        assert!(matches!(
            judged(vec![time(90), time(90), time(900)]),
            Outcome::Passed(_)
        ));
        assert!(matches!(
            judged(vec![time(90), time(101), time(900)]),
            Outcome::Failed(_)
        ));
        assert!(matches!(judged(vec![time(90), None]), Outcome::Failed(_)));
        assert!(matches!(judged(vec![None]), Outcome::Failed(_)));
    }
}
