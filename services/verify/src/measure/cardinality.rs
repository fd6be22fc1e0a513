//! Whether the number of series and streams stays the same however much traffic there is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::{Duration, SystemTime};

use anyhow::ensure;
use futures_util::StreamExt;
use futures_util::stream;
use uuid::Uuid;

use crate::drive::Driver;
use crate::poll::{Look, poll};
use crate::report::{Line, Outcome, Report};
use crate::target::Target;

/// What is sent before the first count: enough for every outcome to have happened.
const FIRST: usize = 100;
const MOST: usize = 50_000;
const AT_ONCE: usize = 8;
/// Of the orders, one in so many comes with a hostile path.
const HOSTILE: usize = 5;
/// An outcome that was rare among the first orders may happen later and bring its series; ids would bring a hundred
/// times as many as there were.
const GROWTH: f64 = 0.1;
/// Of Loki's few streams, one more is more than that already.
const FEW: usize = 3;
/// Exports, flushes, rules.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// How much is sent for the second count.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub orders: usize,
}

/// The series and streams there are, each by its labels.
#[derive(Clone, Debug, Default)]
struct Counted {
    series: BTreeMap<String, BTreeSet<String>>,
    streams: BTreeMap<String, BTreeSet<String>>,
    /// Megabytes by service.
    memory: BTreeMap<String, f64>,
}

pub async fn cardinality<W: Write>(
    target: &Target,
    load: Load,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    ensure!(
        (FIRST..=MOST).contains(&load.orders),
        "between {FIRST} and {MOST} orders, not {}",
        load.orders
    );
    let driver = target.driver()?;
    // In every path that nobody serves: it must turn up in no label.
    let marker = Uuid::now_v7().to_string();
    send(&driver, FIRST, &marker).await?;
    let before = count(target).await?;
    report.say(format_args!("after {FIRST} orders:\n{}", before.table()))?;
    send(&driver, load.orders - FIRST, &marker).await?;
    let after = count(target).await?;
    report.say(format_args!(
        "after {} orders:\n{}",
        load.orders,
        after.table()
    ))?;
    for (what, before, after) in [
        ("Prometheus series", &before.series, &after.series),
        ("Loki streams", &before.streams, &after.streams),
    ] {
        report.add(Line {
            name: format!(
                "{what} do not grow with traffic, from {FIRST} to {} orders",
                load.orders
            ),
            query: None,
            outcome: judged(before, after, &marker),
            after: Duration::ZERO,
        })?;
    }
    Ok(())
}

fn judged(
    before: &BTreeMap<String, BTreeSet<String>>,
    after: &BTreeMap<String, BTreeSet<String>>,
    marker: &str,
) -> Outcome {
    let all = |counted: &BTreeMap<String, BTreeSet<String>>| -> BTreeSet<String> {
        counted.values().flatten().cloned().collect()
    };
    let (before, after) = (all(before), all(after));
    if after.is_empty() {
        return Outcome::Failed("there are none".to_owned());
    }
    if let Some(labels) = after.iter().find(|labels| labels.contains(marker)) {
        return Outcome::Failed(format!("a caller's text became a label: {labels}"));
    }
    let new: Vec<&String> = after.difference(&before).collect();
    let told = format!("{} before, {} after", before.len(), after.len());
    let allowed = (before.len() as f64 * GROWTH).max(FEW as f64);
    match new.as_slice() {
        [] => Outcome::Passed(told),
        new if new.len() as f64 <= allowed => Outcome::Passed(format!(
            "{told}; {} of outcomes that had not happened before",
            new.len()
        )),
        new => Outcome::Failed(format!(
            "{told}; {} new ones, such as {}",
            new.len(),
            new[0]
        )),
    }
}

/// Orders under keys of their own, and paths that nobody serves and nobody should make a label of.
async fn send(driver: &Driver, orders: usize, marker: &str) -> anyhow::Result<()> {
    let product = driver.best_stocked().await?;
    let sent = stream::iter(0..orders).map(async |number| {
        driver.order(&product).await?;
        if number % HOSTILE == 0 {
            let id = format!("{marker}-{number}");
            driver.get(&format!("/api/products/{id}")).await?;
            driver.get(&format!("/{id}/..%2f..%2f{number}")).await?;
            driver.get(&format!("/api/orders/{id}")).await?;
        }
        anyhow::Ok(())
    });
    let results: Vec<anyhow::Result<()>> = sent.buffer_unordered(AT_ONCE).collect().await;
    results.into_iter().collect()
}

/// Counts once everything that was sent has arrived: two counts in a row that are equal.
async fn count(target: &Target) -> anyhow::Result<Counted> {
    let begun = SystemTime::now();
    let mut last = Counted::default();
    poll(PATIENCE, PAUSE, async || {
        // A whole export, flush and rule evaluation must lie between two counts.
        tokio::time::sleep(target.interval() * 2).await;
        match counted(target, begun).await {
            Err(error) => Look::NotYet(format!("{error:#}")),
            Ok(now) => {
                let is_settled = now.sizes() == last.sizes();
                last = now;
                if is_settled {
                    Look::Holds(String::new())
                } else {
                    Look::NotYet(String::new())
                }
            }
        }
    })
    .await;
    Ok(last)
}

async fn counted(target: &Target, since: SystemTime) -> anyhow::Result<Counted> {
    let (prometheus, loki) = (target.prometheus()?, target.loki()?);
    let mut counted = Counted::default();
    // What the services make, what the connectors make of their spans, and what the rules make of both; alerts come and go.
    for sample in prometheus
        .query(r#"{service_name=~"gateway|product|inventory|order",__name__!~"ALERTS.*"}"#)
        .await?
    {
        let service = sample.labels.get("service_name").cloned();
        let of = counted.series.entry(service.unwrap_or_default());
        of.or_default().insert(format!("{:?}", sample.labels));
    }
    // Streams without a line since the first count do not count twice.
    let begun = since - Duration::from_secs(60 * 60);
    for labels in loki.streams(r#"{service_name=~".+"}"#, begun).await? {
        let service = labels.get("service_name").cloned();
        let of = counted.streams.entry(service.unwrap_or_default());
        of.or_default().insert(format!("{labels:?}"));
    }
    for sample in prometheus
        .query("max by (service_name) (process_memory_usage_bytes) / 1e6")
        .await?
    {
        let service = sample.labels.get("service_name").cloned();
        counted
            .memory
            .insert(service.unwrap_or_default(), sample.value);
    }
    Ok(counted)
}

// === impl Counted ===

impl Counted {
    fn sizes(&self) -> (usize, usize) {
        let size = |all: &BTreeMap<String, BTreeSet<String>>| all.values().map(BTreeSet::len).sum();
        (size(&self.series), size(&self.streams))
    }

    fn table(&self) -> String {
        let mut table = format!("  {:<16} series  streams   memory\n", "service");
        let names: BTreeSet<&String> = self.series.keys().chain(self.streams.keys()).collect();
        for name in names {
            let size =
                |all: &BTreeMap<String, BTreeSet<String>>| all.get(name).map_or(0, BTreeSet::len);
            let memory = self.memory.get(name);
            let memory = memory.map_or_else(String::new, |memory| format!("{memory:.1} MB"));
            let (series, streams) = (size(&self.series), size(&self.streams));
            table.push_str(&format!(
                "  {name:<16} {series:>6}  {streams:>7}  {memory:>7}\n"
            ));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(labels: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
        let labels = labels.iter().map(|labels| (*labels).to_owned()).collect();
        BTreeMap::from([("order".to_owned(), labels)])
    }

    #[test]
    fn a_label_made_of_a_callers_text_or_growth_with_traffic_fails() {
        let judged = |before: &[&str], after: &[&str]| judged(&one(before), &one(after), "7f-");
        assert!(matches!(judged(&["a"], &["a"]), Outcome::Passed(_)));
        assert!(matches!(judged(&["a"], &["a", "b"]), Outcome::Passed(_)));
        assert!(matches!(
            judged(&["a"], &["a", "id=7f-1"]),
            Outcome::Failed(_)
        ));
        assert_eq!(
            judged(&["a"], &["a", "b", "c", "d", "e"]),
            Outcome::Failed("1 before, 5 after; 4 new ones, such as b".to_owned())
        );
        assert!(matches!(judged(&[], &[]), Outcome::Failed(_)));
    }
}
