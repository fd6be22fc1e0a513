//! `verify trace` and `verify first-order`: one trace, for a person.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use serde_json::json;

use telemetry_testing::Trace;
use telemetry_testing::terminal::escape;

use crate::backend::{LogLine, Logs, Traces};
use crate::check::{epoch_seconds, one_tree};
use crate::poll::{Look, Settled, poll};
use crate::report::Outcome;
use crate::target::Target;
use crate::view::{Remark, waterfall};

/// A trace that is still arriving is complete within the services' batch delay and the Collector's.
const ARRIVAL: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);
/// Around a trace, for its log lines.
const MARGIN: Duration = Duration::from_secs(60);
/// Loki keeps a week, and refuses to be asked for more.
const LONGEST: Duration = Duration::from_secs(6 * 24 * 60 * 60);
const NOT_SAMPLED: &str =
    "Its spans are not exported; OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG decide.";
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
    let (store, lines) = (target.traces_of(&id).await?, target.logs_of(&id).await?);
    let Some(trace) = store.trace(&id).await? else {
        // Services log within a trace that is not sampled, too, and each record has the flag.
        let until = SystemTime::now() + MARGIN;
        let records = lines.by_trace(&id, until - LONGEST, until).await;
        let why = match &*records.unwrap_or_default() {
            [] => String::new(),
            records if records.iter().all(is_unsampled) => {
                format!(
                    ": it is not sampled, says its log ({} records). {NOT_SAMPLED}",
                    records.len()
                )
            }
            records => format!(
                ", but {} has {} records of it",
                lines.describe(),
                records.len()
            ),
        };
        bail!("{} has no trace {id}{why}", store.describe());
    };
    let logs = match logs(&lines, &trace, &id).await {
        Ok(logs) => logs,
        Err(error) => {
            writeln!(out, "without log lines: {}", escape(&format!("{error:#}")))?;
            Vec::new()
        }
    };
    if is_json {
        let document = json!({"trace_id": id, "spans": trace.spans, "logs": logs});
        writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
    } else {
        write!(out, "{}", waterfall(&trace, &logs))?;
        for (skipped, of) in [
            (store.skipped(), store.describe()),
            (lines.skipped(), lines.describe()),
        ] {
            if skipped > 0 {
                writeln!(out, "could not be read in {of}: {skipped} lines or records")?;
            }
        }
    }
    Ok(())
}

/// The end of `just run`: one order through everything, and where to look at it.
pub async fn first_order(target: &Target, out: &mut impl Write) -> anyhow::Result<()> {
    let (store, lines) = (
        target.traces_from_now().await?,
        target.logs_from_now().await?,
    );
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
    let took = answer.took.as_secs_f64() * 1e3;
    if is_sampled(&answer.traceresponse) {
        let trace = whole_trace(&store, &id).await?;
        let found_after = clock.elapsed().as_secs_f64();
        let logs = arrived_logs(&lines, &trace, &id).await?;
        writeln!(out, "\nOne order, in three signals.\n")?;
        write!(out, "{}", waterfall(&trace, &logs))?;
        writeln!(
            out,
            "\nanswered in {took:.0} ms, its trace found {found_after:.1} s later with {} spans, {} log lines\n",
            trace.spans.len(),
            logs.len()
        )?;
    } else {
        writeln!(
            out,
            "\nOne order, answered in {took:.0} ms. Its trace {id} is not sampled, says `traceresponse`. {NOT_SAMPLED}\n"
        )?;
    }
    metrics(target, placed, out).await?;
    links(target, &store, &lines, &id, out)
}

/// The last bit of the flags.
fn is_sampled(traceresponse: &str) -> bool {
    let flags = traceresponse.rsplit('-').next().unwrap_or_default();
    u8::from_str_radix(flags, 16).map_or(true, |flags| flags & 1 == 1)
}

fn is_unsampled(line: &LogLine) -> bool {
    line.meta("flags").parse().unwrap_or(0) & 1 == 0
}

/// Waits until every hop of the trace is there: services deliver their parts at different times.
async fn whole_trace(store: &Traces, id: &str) -> anyhow::Result<Trace> {
    let mut found = None;
    let settled = poll(ARRIVAL, PAUSE, async || match store.trace(id).await {
        Err(error) => Look::NotYet(format!("{error:#}")),
        Ok(None) => Look::NotYet(format!("{} has no trace {id}", store.describe())),
        Ok(Some(trace)) => match one_tree(&trace) {
            Ok(evidence) => {
                found = Some(trace);
                Look::Holds(evidence)
            }
            Err(state) => Look::NotYet(state),
        },
    });
    arrived(settled.await, "the trace is not whole")?;
    found.context("a trace that holds is there")
}

/// Lines take another way than spans: the trace may be there first.
async fn arrived_logs(store: &Logs, trace: &Trace, id: &str) -> anyhow::Result<Vec<Remark>> {
    let mut found = Vec::new();
    let settled = poll(ARRIVAL, PAUSE, async || {
        match logs(store, trace, id).await {
            Err(error) => Look::NotYet(format!("{error:#}")),
            Ok(logs) if logs.is_empty() => Look::NotYet(format!("{} has none", store.describe())),
            Ok(logs) => {
                found = logs;
                Look::Holds(String::new())
            }
        }
    });
    arrived(settled.await, "the order has no log lines")?;
    Ok(found)
}

fn arrived(settled: Settled, what: &str) -> anyhow::Result<()> {
    match settled.outcome {
        Outcome::Passed(_) => Ok(()),
        Outcome::Failed(state) | Outcome::Skipped(state) => {
            bail!("{what} after {ARRIVAL:?}: {state}")
        }
    }
}

/// Of one log pipeline only: the other has the same lines.
async fn logs(store: &Logs, trace: &Trace, id: &str) -> anyhow::Result<Vec<Remark>> {
    let at = |nanoseconds: Option<u64>| {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds.unwrap_or_default())
    };
    let from = at(trace.spans.iter().map(|span| span.start).min());
    let from = from.checked_sub(MARGIN).unwrap_or(from);
    let until = at(trace.spans.iter().map(|span| span.end).max()) + MARGIN;
    let lines = store.by_trace(id, from, until).await?;
    Ok(lines.iter().map(remark).collect())
}

/// Event, words, and what went wrong.
fn remark(line: &LogLine) -> Remark {
    let parts = [
        line.meta("event_name"),
        &line.text,
        line.meta("exception_message"),
    ];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Remark {
        at: line.at,
        span_id: line.meta("span_id").to_owned(),
        level: line.meta("severity_text").to_owned(),
        text: parts.join(": "),
    }
}

/// Shown once they count the order: they leave their services at intervals.
async fn metrics(target: &Target, placed: SystemTime, out: &mut impl Write) -> anyhow::Result<()> {
    let prometheus = target.prometheus()?;
    // Two services export its metrics, each in its own interval.
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
    arrived(exported, "the order is in no metric")?;
    for (name, promql) in QUERIES {
        let value = match prometheus.query(promql).await?.first() {
            Some(sample) => shown(sample.value),
            None => "none".to_owned(),
        };
        writeln!(out, "{name:<27} {value:>9}   {promql}")?;
    }
    Ok(())
}

/// Counts without decimals, as a point or comma with three digits after it reads as thousands; other numbers with three digits.
fn shown(value: f64) -> String {
    let digits = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        size if size < 1.0 => 3,
        _ => 2,
    };
    format!("{value:.digits$}")
}

fn links(
    target: &Target,
    store: &Traces,
    lines: &Logs,
    id: &str,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let at = &target.addresses;
    let archived = |directory: &Path| format!("just trace {id}   ({})", directory.display());
    let trace = match store {
        Traces::Tempo(_) => format!("{}/api/traces/{id}", at.tempo),
        Traces::Archive(archive) => archived(archive.directory()),
    };
    let query = "query=%7Blane%3D%22otlp%22%7D%7Ctrace_id%3D%22";
    let logs = match lines {
        Logs::Loki(_) => format!("{}/loki/api/v1/query_range?{query}{id}%22", at.loki),
        Logs::Archive(archive) => archived(archive.directory()),
    };
    writeln!(out, "\nshop        {}", at.gateway)?;
    if let Some(grafana) = &at.grafana {
        writeln!(out, "Grafana     {grafana}")?;
    }
    writeln!(out, "trace       {trace}\nlogs        {logs}")?;
    let query = "/api/v1/query?query=http_requests_total";
    writeln!(out, "metrics     {}{query}", at.prometheus)?;
    writeln!(out, "zpages      {}/debug/pipelinez", at.collector_zpages)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_no_decimals_and_other_numbers_few() {
        for (value, text) in [
            (48.0, "48"),
            (0.0, "0"),
            (37.5, "37.50"),
            (0.02345, "0.023"),
        ] {
            assert_eq!(shown(value), text);
        }
    }

    #[test]
    fn an_answer_and_a_log_line_say_whether_the_trace_is_sampled() {
        let with = |flags| format!("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-{flags}");
        assert_eq!(
            ["01", "03", "00"].map(|f| is_sampled(&with(f))),
            [true, true, false]
        );
        let line = |flags: &str| LogLine {
            at: 0,
            labels: Default::default(),
            metadata: [("flags".to_owned(), flags.to_owned())].into(),
            text: String::new(),
        };
        assert_eq!(
            ["1", "3", "0", ""].map(|f| is_unsampled(&line(f))),
            [false, false, true, true]
        );
    }
}
