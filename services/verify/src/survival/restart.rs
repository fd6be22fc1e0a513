//! `down` and `up` again: what was told before is still found, and told once.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stack::{Instance, Volumes};
use tokio::runtime::Runtime;

use super::{Order, Rows, both_lanes, lines, order, trace};
use crate::backend::{Exposition, Http};
use crate::poll::Look;
use crate::report::Report;
use crate::target::Target;

/// What there was before the stack went down.
struct Before {
    order: Order,
    lines: (usize, usize),
    /// Seconds since 1970, and the orders that Prometheus had counted by then.
    counted: (f64, f64),
    /// When the lines of the file lane begin to be counted, and how many Loki has since.
    filed: (SystemTime, f64),
}

pub(super) fn run<W: Write>(
    root: &Path,
    instance: &Instance,
    runtime: &Runtime,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    report.say("\ndown and up again")?;
    let mut rows = Rows {
        runtime,
        report,
        subject: "down and up",
    };
    let target = Target::of(root, instance)?;
    let order = runtime.block_on(order(&target))?;
    let (store, loki) =
        runtime.block_on(async { (target.traces_of(&order.trace_id).await, target.loki()) });
    let (store, loki) = (store?, loki?);
    let arrived = rows.add("an order's trace is there before", async || {
        trace(&store, &order).await
    })? && rows.add("its lines are in both lanes before", async || {
        both_lanes(&loki, &order).await
    })? && rows.add("it is counted before", async || {
        counted_since(&target, &order).await
    })?;
    if !arrived {
        return Ok(());
    }
    let before = runtime.block_on(before(&target, order))?;
    let again = rows.step("everything stops and starts again", || {
        instance.down(Volumes::Keep)?;
        instance.run()?;
        Ok("all ready".to_owned())
    })?;
    if !again {
        return Ok(());
    }
    let target = Target::of(root, instance)?;
    let (store, loki) = runtime.block_on(async {
        (
            target.traces_of(&before.order.trace_id).await,
            target.loki(),
        )
    });
    let (store, loki) = (store?, loki?);
    rows.add("the trace is still found", async || {
        trace(&store, &before.order).await
    })?;
    rows.add(
        "its log lines are still found, none twice",
        async || match lines(&loki, &before.order).await {
            Ok(found) if found == before.lines => {
                Look::Holds(format!("{} and {} lines", found.0, found.1))
            }
            Ok(found) => Look::NotYet(format!("{found:?} lines instead of {:?}", before.lines)),
            Err(error) => Look::NotYet(format!("{error:#}")),
        },
    )?;
    rows.add("the metrics of then still answer", async || {
        let (at, value) = before.counted;
        match orders_at(&target, at).await {
            Ok(now) if now == value => Look::Holds(format!("{now} orders at that time")),
            Ok(now) => Look::NotYet(format!("{now} orders at that time instead of {value}")),
            Err(error) => Look::NotYet(format!("{error:#}")),
        }
    })?;
    rows.add(
        "Promtail ships nothing a second time",
        async || match shipped_again(&target, before.filed).await {
            Ok(look) => look,
            Err(error) => Look::NotYet(format!("{error:#}")),
        },
    )?;
    Ok(())
}

async fn before(target: &Target, order: Order) -> anyhow::Result<Before> {
    let now = SystemTime::now();
    let at = now.duration_since(UNIX_EPOCH)?.as_secs_f64();
    let since = now - Duration::from_secs(24 * 60 * 60);
    Ok(Before {
        lines: lines(&target.loki()?, &order).await?,
        counted: (at, orders_at(target, at).await?),
        filed: (since, filed(target, since).await?),
        order,
    })
}

/// A sample that was taken after the order: what is asked for later is then there for sure.
async fn counted_since(target: &Target, order: &Order) -> Look {
    let placed = order.placed.duration_since(UNIX_EPOCH).unwrap_or_default();
    let query = format!(
        "sum(shop_orders_total and timestamp(shop_orders_total) > {:.3})",
        placed.as_secs_f64() + 1.0
    );
    let asked = async { anyhow::Ok(target.prometheus()?.query(&query).await?) };
    match asked.await {
        Ok(samples) if !samples.is_empty() => Look::Holds(format!("{} orders", samples[0].value)),
        Ok(_) => Look::NotYet("no sample since the order".to_owned()),
        Err(error) => Look::NotYet(format!("{error:#}")),
    }
}

async fn orders_at(target: &Target, at: f64) -> anyhow::Result<f64> {
    let query = format!("sum(shop_orders_total @ {at:.3})");
    let samples = target.prometheus()?.query(&query).await?;
    Ok(samples.iter().map(|sample| sample.value).sum())
}

/// Lines of the file lane in Loki since then: were the window to move, what leaves it would hide what comes.
async fn filed(target: &Target, since: SystemTime) -> anyhow::Result<f64> {
    let seconds = since.elapsed()?.as_secs() + 1;
    let query = format!(r#"sum(count_over_time({{job="rust_app_logs"}}[{seconds}s]))"#);
    let answer = Http::new(&target.addresses.loki)?
        .json("/loki/api/v1/query", &[("query", &query)])
        .await?;
    let value = &answer["data"]["result"][0]["value"][1];
    Ok(value
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default())
}

/// Loki stores an identical line once, so it cannot tell. Promtail counts what it reads since its start: were the files
/// read again from their beginning, that would be more than what Loki has got since.
async fn shipped_again(target: &Target, before: (SystemTime, f64)) -> anyhow::Result<Look> {
    let own = Http::new(&target.addresses.promtail)?
        .text("/metrics")
        .await?;
    let own = Exposition::parse(&own);
    let is_service = |path: &String| path.contains("/rust_app_");
    let read: f64 = own
        .of("promtail_read_lines_total", &[])
        .filter(|sample| sample.labels.get("path").is_some_and(is_service))
        .map(|sample| sample.value)
        .sum();
    let (since, before) = before;
    let added = filed(target, since).await? - before;
    Ok(if read > added {
        Look::NotYet(format!(
            "read {read} lines since its start, {added} of them new"
        ))
    } else if read == 0.0 {
        Look::NotYet("it has read nothing yet".to_owned())
    } else {
        Look::Holds(format!(
            "read {read} lines since its start, {added} are new"
        ))
    })
}
