//! The Collector is killed while it holds what the backends cannot take: nothing of it may be lost.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use stack::{Instance, Runtime as Where, TraceStore};
use tokio::runtime::Runtime;

use super::{Order, Rows, both_lanes, order, trace};
use crate::backend::Collector;
use crate::poll::Look;
use crate::report::Report;
use crate::target::Target;

const ORDERS: usize = 5;
/// The engine waits before it starts a container again, longer each time.
const COMES_BACK: Duration = Duration::from_secs(60);

pub(super) fn run<W: Write>(
    root: &Path,
    instance: &Instance,
    runtime: &Runtime,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    report.say("\na killed Collector")?;
    let mut rows = Rows {
        runtime,
        report,
        subject: "killed Collector",
    };
    // Without a Tempo the Collector is its own trace store, and dies with it.
    let backends: &[&str] = match instance.traces() {
        TraceStore::Archive(_) => &["loki"],
        _ => &["tempo", "loki"],
    };
    let held = hold(&mut rows, root, instance, backends);
    // Whatever happened: the stack is left whole.
    for backend in backends {
        instance.start_component(backend)?;
    }
    let Some(orders) = held? else {
        return Ok(());
    };
    let target = Target::of(root, instance)?;
    let collector = collector(&target)?;
    rows.add("the queues drain", async || {
        queued(&collector, backends, |items| items == 0.0).await
    })?;
    arrived(&mut rows, &target, &orders)
}

/// Without its backends the Collector is killed and comes back; the orders whose telemetry it must still hold.
fn hold<W: Write>(
    rows: &mut Rows<'_, W>,
    root: &Path,
    instance: &Instance,
    backends: &[&str],
) -> anyhow::Result<Option<Vec<Order>>> {
    for backend in backends {
        instance.stop_component(backend)?;
    }
    let target = Target::of(root, instance)?;
    let orders = rows.runtime.block_on(async {
        let mut orders = Vec::new();
        for _ in 0..ORDERS {
            orders.push(order(&target).await?);
        }
        anyhow::Ok(orders)
    })?;
    let collector = collector(&target)?;
    let is_queued = rows.add(
        "the queues hold what the backends cannot take",
        async || queued(&collector, backends, |items| items > 0.0).await,
    )?;
    let is_back = is_queued
        && rows.step("it comes back", || {
            instance.kill_component("otel-collector")?;
            let how = match instance.runtime() {
                Where::Docker => "by itself",
                Where::Native => {
                    instance.start_component("otel-collector")?;
                    "started by the launcher"
                }
            };
            instance.wait_ready("otel-collector", COMES_BACK)?;
            Ok(how.to_owned())
        })?;
    if is_back {
        rows.add("the queues outlive it", async || {
            queued(&collector, backends, |items| items > 0.0).await
        })?;
    }
    Ok(is_back.then_some(orders))
}

fn arrived<W: Write>(
    rows: &mut Rows<'_, W>,
    target: &Target,
    orders: &[Order],
) -> anyhow::Result<()> {
    let loki = target.loki()?;
    rows.add("every trace is whole", async || {
        all(orders, async |order| {
            match target.traces_of(&order.trace_id).await {
                Ok(store) => trace(&store, order).await,
                Err(error) => Look::NotYet(format!("{error:#}")),
            }
        })
        .await
    })?;
    rows.add("every line is in both lanes", async || {
        all(orders, async |order| both_lanes(&loki, order).await).await
    })?;
    Ok(())
}

async fn all(orders: &[Order], look: impl AsyncFn(&Order) -> Look) -> Look {
    for order in orders {
        match look(order).await {
            Look::Holds(_) => {}
            other => return other,
        }
    }
    Look::Holds(format!("of all {} orders", orders.len()))
}

fn collector(target: &Target) -> anyhow::Result<Collector> {
    let at = &target.addresses;
    Collector::new(
        &at.collector_health,
        &at.collector_zpages,
        &at.collector_metrics,
    )
}

/// Whether the queue of each stopped backend holds what it should.
async fn queued(collector: &Collector, backends: &[&str], wanted: impl Fn(f64) -> bool) -> Look {
    let metrics = match collector.metrics().await {
        Ok(metrics) => metrics,
        Err(error) => return Look::NotYet(format!("{error:#}")),
    };
    let sizes = backends.iter().map(|backend| {
        let exporter = format!("otlp_http/{backend}");
        let size = metrics.sum("otelcol_exporter_queue_size", &[("exporter", &exporter)]);
        (*backend, size)
    });
    let sizes: Vec<_> = sizes.collect();
    let told = sizes
        .iter()
        .map(|(backend, size)| format!("{size} items for {backend}"));
    let told = told.collect::<Vec<_>>().join(", ");
    match sizes.iter().all(|(_, size)| wanted(*size)) {
        true => Look::Holds(told),
        false => Look::NotYet(told),
    }
}
