//! `verify trace` and `verify first-order`: one trace, for a person.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use serde_json::json;

use crate::backend::{LogLine, Traces};
use crate::check::{epoch_seconds, one_tree};
use crate::poll::{Look, poll};
use crate::report::Outcome;
use crate::target::Target;
use crate::trace::Trace;
use crate::view::{Remark, waterfall};

/// A trace that is still arriving is complete within the services' batch delay and the Collector's.
const ARRIVAL: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);
/// Around a trace, for its log lines.
const MARGIN: Duration = Duration::from_secs(60);
/// What `first-order` shows of the metrics; `just verify` asks many more.
const QUERIES: [(&str, &str); 4] = [
    (
        "requests",
        r#"sum(http_server_request_duration_seconds_count{service_name="gateway"})"#,
    ),
    (
        "orders placed",
        r#"sum(shop_orders_total{shop_order_outcome="placed"})"#,
    ),
    ("value of orders, EUR", "sum(shop_order_value_EUR_sum)"),
    (
        "p95 of POST /api/orders, s",
        r#"histogram_quantile(0.95, sum by (le) (http_server_request_duration_seconds_bucket{service_name="gateway",http_route="/api/orders"}))"#,
    ),
];

/// `just trace ID`.
pub async fn trace(
    target: &Target,
    id: &str,
    is_json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let id = id.to_ascii_lowercase();
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!("a trace id is 32 hexadecimal digits, this is {id:?}");
    }
    let store = target.traces_of(&id).await?;
    let Some(trace) = store.trace(&id).await? else {
        bail!("{} has no trace {id}", store.describe());
    };
    let logs = match logs(target, &trace, &id).await {
        Ok(logs) => logs,
        Err(error) => {
            writeln!(out, "without log lines: {error:#}")?;
            Vec::new()
        }
    };
    if is_json {
        let document = json!({"trace_id": id, "spans": trace.spans, "logs": logs});
        writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
    } else {
        write!(out, "{}", waterfall(&trace, &logs))?;
    }
    Ok(())
}

/// The end of `just run`: one order through everything, and where to look at it.
pub async fn first_order(target: &Target, out: &mut impl Write) -> anyhow::Result<()> {
    let store = target.traces_from_now().await?;
    let answer = target.driver()?.one_order().await?;
    let placed = SystemTime::now();
    let clock = Instant::now();
    let Some(id) = answer.trace_id().map(str::to_owned) else {
        bail!(
            "the order was answered {} without traceresponse: {}",
            answer.status,
            answer.body
        );
    };
    if answer.status != 201 {
        bail!(
            "the order was answered {}: {} (just trace {id})",
            answer.status,
            answer.body
        );
    }
    let trace = whole_trace(&store, &id).await?;
    let found_after = clock.elapsed();
    let logs = arrived_logs(target, &trace, &id).await?;

    writeln!(out, "\nOne order, in three signals.\n")?;
    write!(out, "{}", waterfall(&trace, &logs))?;
    writeln!(
        out,
        "\nanswered in {:.0} ms, its trace found {:.1} s later with {} spans, {} log lines\n",
        answer.took.as_secs_f64() * 1e3,
        found_after.as_secs_f64(),
        trace.spans.len(),
        logs.len()
    )?;
    metrics(target, placed, out).await?;
    links(target, &store, &id, out)
}

/// Waits until every hop of the trace is there: services deliver their parts at different times.
async fn whole_trace(store: &Traces, id: &str) -> anyhow::Result<Trace> {
    let mut found = None;
    let settled = poll(ARRIVAL, PAUSE, async || match store.trace(id).await {
        Err(error) => Look::NotYet(format!("{error:#}")),
        Ok(None) => Look::NotYet(format!("{} has no trace {id}", store.describe())),
        Ok(Some(trace)) => match one_tree(&trace, 1) {
            Ok(evidence) => {
                found = Some(trace);
                Look::Holds(evidence)
            }
            Err(state) => Look::NotYet(state),
        },
    })
    .await;
    match settled.outcome {
        Outcome::Passed(_) => found.context("a trace that holds is there"),
        Outcome::Failed(state) | Outcome::Skipped(state) => {
            bail!("the trace is not whole after {ARRIVAL:?}: {state}")
        }
    }
}

/// Lines take another way than spans: the trace may be there first.
async fn arrived_logs(target: &Target, trace: &Trace, id: &str) -> anyhow::Result<Vec<Remark>> {
    let mut found = Vec::new();
    let settled = poll(ARRIVAL, PAUSE, async || {
        match logs(target, trace, id).await {
            Err(error) => Look::NotYet(format!("{error:#}")),
            Ok(logs) if logs.is_empty() => Look::NotYet("no log line".to_owned()),
            Ok(logs) => {
                found = logs;
                Look::Holds(String::new())
            }
        }
    })
    .await;
    match settled.outcome {
        Outcome::Passed(_) => Ok(found),
        Outcome::Failed(state) | Outcome::Skipped(state) => {
            bail!("the order's log lines are not in Loki: {state}")
        }
    }
}

/// One lane only: the other holds the same lines.
async fn logs(target: &Target, trace: &Trace, id: &str) -> anyhow::Result<Vec<Remark>> {
    let at = |nanoseconds: Option<u64>| {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds.unwrap_or_default())
    };
    let from = at(trace.spans.iter().map(|span| span.start).min()) - MARGIN;
    let until = at(trace.spans.iter().map(|span| span.end).max()) + MARGIN;
    let query = format!(r#"{{lane="otlp"}} | trace_id="{id}""#);
    let lines = target.loki()?.query(&query, from, until).await?;
    Ok(lines.iter().map(remark).collect())
}

/// Event, words, and what went wrong.
fn remark(line: &LogLine) -> Remark {
    let parts = [
        line.meta("event_name"),
        &line.text,
        line.meta("exception_message"),
    ];
    let told: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Remark {
        at: line.at,
        span_id: line.meta("span_id").to_owned(),
        level: line.meta("severity_text").to_owned(),
        text: told.join(": "),
    }
}

/// Shown once they count the order: they leave their services at intervals.
async fn metrics(target: &Target, placed: SystemTime, out: &mut impl Write) -> anyhow::Result<()> {
    let prometheus = target.prometheus()?;
    // Two services tell of it, each in its own time.
    let newer = format!(
        r#"timestamp(shop_orders_total) >= {placed:.3}
            and on () timestamp(http_server_request_duration_seconds_count{{service_name="gateway",http_route="/api/orders"}}) >= {placed:.3}"#,
        placed = epoch_seconds(placed)
    );
    let exported = poll(ARRIVAL, PAUSE, async || {
        match prometheus.query(&newer).await {
            Ok(samples) if !samples.is_empty() => Look::Holds(String::new()),
            Ok(_) => Look::NotYet("no metric is newer than the order".to_owned()),
            Err(error) => Look::NotYet(format!("{error:#}")),
        }
    })
    .await;
    if let Outcome::Failed(state) = exported.outcome {
        bail!("the order is in no metric: {state}");
    }
    for (name, promql) in QUERIES {
        let value = match prometheus.query(promql).await?.first() {
            Some(sample) => format!("{:.3}", sample.value),
            None => "none".to_owned(),
        };
        writeln!(out, "{name:<27} {value:>9}   {promql}")?;
    }
    Ok(())
}

fn links(target: &Target, store: &Traces, id: &str, out: &mut impl Write) -> anyhow::Result<()> {
    let at = &target.addresses;
    writeln!(out)?;
    writeln!(out, "shop        {}", at.gateway)?;
    if let Some(grafana) = &at.grafana {
        writeln!(out, "Grafana     {grafana}")?;
    }
    match store {
        Traces::Tempo(_) => writeln!(out, "trace       {}/api/traces/{id}", at.tempo)?,
        Traces::Archive(archive) => writeln!(
            out,
            "trace       just trace {id}   ({})",
            archive.directory().display()
        )?,
    }
    writeln!(
        out,
        "logs        {}/loki/api/v1/query_range?query=%7Blane%3D%22otlp%22%7D%7Ctrace_id%3D%22{id}%22",
        at.loki
    )?;
    writeln!(
        out,
        "metrics     {}/api/v1/query?query=http_requests_total",
        at.prometheus
    )?;
    writeln!(out, "zpages      {}/debug/pipelinez", at.collector_zpages)?;
    Ok(())
}
