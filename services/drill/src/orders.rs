//! Orders whose telemetry must be complete after a fault: each is one whole tree, with the same lines in both log pipelines.

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use stack::Instance;
use tokio::runtime::Runtime;
use uuid::Uuid;
use verify::backend::{Exposition, Http};
use verify::poll::{Look, poll};
use verify::report::Outcome;
use verify::target::Target;
use verify::trace::Trace;

use crate::doctor::SERVICES;
use crate::shop::{Answer, Shop};

const PAUSE: Duration = Duration::from_millis(400);
/// A queue is delivered within its retry interval of 5 s; a backend that was just started needs longer.
const PATIENCE: Duration = Duration::from_secs(90);
/// Every queue of the Collector that is on disk holds items.
const QUEUED: &str = r#"min(otelcol_exporter_queue_size{exporter=~"otlp_http/.*"}) > 0"#;

pub struct Orders<'a> {
    runtime: &'a Runtime,
    placed: Vec<Answer>,
    /// As it was before the second fault, where nothing was stopped then.
    before: Option<Before>,
}

struct Before {
    /// Lines of all the orders, in each pipeline.
    lines: usize,
    /// A query with a fixed time, and how many orders it counted.
    counted: (String, f64),
    /// Lines of the services' files, all shipped.
    in_files: usize,
}

// === impl Orders ===

impl<'a> Orders<'a> {
    pub fn place(runtime: &'a Runtime, shop: &Shop, count: usize) -> anyhow::Result<Self> {
        let mut placed = Vec::new();
        for _ in 0..count {
            let key = format!("drill-{}", Uuid::now_v7());
            let answer = runtime.block_on(shop.order(&key));
            let answer = answer.map_err(anyhow::Error::msg)?;
            let status = answer.status;
            ensure!(status == 201, "an order was answered {status}");
            placed.push(answer);
        }
        let before = None;
        Ok(Self {
            runtime,
            placed,
            before,
        })
    }

    /// Waits until the Collector's queues hold their telemetry.
    pub fn are_queued(&self, instance: &Instance) -> anyhow::Result<()> {
        self.sum(&target(instance)?, QUEUED).map(drop)
    }

    /// Waits until their telemetry is in the stores, and remembers what is there.
    pub fn arrive(&mut self, instance: &Instance) -> anyhow::Result<()> {
        let target = target(instance)?;
        let last = self.placed.last().context("no order")?.began;
        // A sample that is newer than the last order has counted it.
        let newer = format!("timestamp(shop_orders_total) > {:.3}", epoch(last) + 1.0);
        self.sum(&target, &format!("sum(shop_orders_total and {newer})"))?;
        let now = epoch(SystemTime::now());
        let query = format!("sum(shop_orders_total @ {now:.3})");
        let count = self.sum(&target, &query)?;
        self.before = Some(Before {
            lines: self.are_whole(instance)?,
            counted: (query, count),
            in_files: lines_in_files(instance)?,
        });
        Ok(())
    }

    /// After the fix: nothing is missing and nothing is there twice.
    pub fn are_complete(&self, instance: &Instance) -> anyhow::Result<String> {
        let lines = self.are_whole(instance)?;
        let mut found = format!(
            "{} orders, each one whole tree; {lines} lines in {}",
            self.placed.len(),
            match instance.has("promtail") {
                true => "each log pipeline",
                false => "the log pipeline otlp",
            }
        );
        let Some(before) = &self.before else {
            return Ok(found);
        };
        ensure!(lines == before.lines, "{found} instead of {}", before.lines);
        let (query, count) = &before.counted;
        let now = self.sum(&target(instance)?, query)?;
        ensure!(now == *count, "{query} gives {now} instead of {count}");
        found.push_str(&format!("; {now} orders counted then and now"));
        if instance.has("promtail") {
            found.push_str(&self.are_read_once(instance, before.in_files)?);
        }
        Ok(found)
    }

    /// Loki stores an identical line once, so it cannot show a second delivery. Promtail counts what it reads since its start.
    fn are_read_once(&self, instance: &Instance, before: usize) -> anyhow::Result<String> {
        let promtail = Http::new(&instance.addresses().promtail)?;
        self.wait(async || {
            let metrics = Exposition::parse(&promtail.text("/metrics").await?);
            let all = metrics.of("promtail_read_lines_total", &[]);
            let of_services = all.filter(|sample| {
                let path = sample.labels.get("path");
                path.is_some_and(|path| path.contains("/rust_app_"))
            });
            let read: f64 = of_services.map(|sample| sample.value).sum();
            let new = lines_in_files(instance)?.saturating_sub(before) as f64;
            let state = format!("; Promtail has read {read} lines since its start, {new} are new");
            Ok(match read > 0.0 && read <= new {
                true => Ok(state),
                false => Err(state),
            })
        })
    }

    /// How many lines there are in each pipeline.
    fn are_whole(&self, instance: &Instance) -> anyhow::Result<usize> {
        let target = target(instance)?;
        let has_files = instance.has("promtail");
        let lines = self.wait(async || {
            let mut count = 0;
            for order in &self.placed {
                let id = &order.trace_id;
                let trace = target.traces_of(id).await?.trace(id).await?;
                if let Err(state) =
                    trace.map_or(Err("no trace".to_owned()), |trace| is_tree(&trace))
                {
                    return Ok(Err(format!("trace {id}: {state}")));
                }
                let since = order.began - Duration::from_secs(1);
                let logs = target.logs_of(id).await?;
                let otlp = logs.by_trace(id, since, SystemTime::now()).await?.len();
                let file = match has_files {
                    true => {
                        let query = format!(r#"{{lane="file"}} | trace_id="{id}""#);
                        let loki = target.loki()?;
                        loki.query(&query, since, SystemTime::now()).await?.len()
                    }
                    false => otlp,
                };
                if otlp == 0 || otlp != file {
                    return Ok(Err(format!(
                        "trace {id}: {otlp} lines over OTLP, {file} from files"
                    )));
                }
                count += otlp;
            }
            Ok(Ok(count))
        })?;
        Ok(lines)
    }

    /// Waits for an answer of Prometheus.
    fn sum(&self, target: &Target, query: &str) -> anyhow::Result<f64> {
        let prometheus = target.prometheus()?;
        self.wait(async || {
            let samples = prometheus.query(query).await?;
            let first = samples.first().map(|sample| sample.value);
            Ok(first.ok_or_else(|| format!("no answer: {query}")))
        })
    }

    /// The inner error is the state that is waited out.
    fn wait<T>(
        &self,
        mut look: impl AsyncFnMut() -> anyhow::Result<Result<T, String>>,
    ) -> anyhow::Result<T> {
        let mut found = None;
        let polled = poll(PATIENCE, PAUSE, async || match look().await {
            Ok(Ok(value)) => {
                found = Some(value);
                Look::Holds(String::new())
            }
            Ok(Err(state)) => Look::NotYet(state),
            Err(error) => Look::NotYet(format!("{error:#}")),
        });
        let outcome = self.runtime.block_on(polled).outcome;
        match (found, outcome) {
            (Some(value), _) => Ok(value),
            (None, Outcome::Failed(state)) => bail!(state),
            (None, other) => bail!("{other:?}"),
        }
    }
}

/// One root, no orphan, a span of every service.
fn is_tree(trace: &Trace) -> Result<(), String> {
    let (roots, orphans) = (trace.roots().len(), trace.orphans().len());
    let services = trace.services();
    let missing = SERVICES
        .iter()
        .find(|service| !services.contains(**service));
    match missing {
        Some(missing) => Err(format!("no span of {missing}")),
        None if roots != 1 || orphans != 0 => Err(format!("{roots} roots, {orphans} orphans")),
        None => Ok(()),
    }
}

fn target(instance: &Instance) -> anyhow::Result<Target> {
    let here = std::env::current_dir()?;
    Target::of(&stack::repository_root(&here)?, instance)
}

fn lines_in_files(instance: &Instance) -> anyhow::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(instance.shop_log_dir())? {
        let text = std::fs::read(entry?.path())?;
        count += text.iter().filter(|byte| **byte == b'\n').count();
    }
    Ok(count)
}

fn epoch(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
