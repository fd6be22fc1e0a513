//! Runs a query as Grafana does.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::dashboard::Query;
use super::source::Source;
use super::template::{Place, Value, Values, Window, expand};
use super::{Language, Verdict, broken, check_names, needs, not_yet};
use crate::backend::{Answered, Sample};
use crate::check::Scene;

/// The result of a query.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Series with a number, lines, or traces.
    pub(super) count: usize,
    what: &'static str,
    /// The fields of the first of them, with the names that links use.
    pub(super) rows: Vec<Values>,
}

/// The range of queries that no dashboard limits: longer than any run.
pub(super) const RANGE: Duration = Duration::from_secs(60 * 60);
/// The most points of a result.
pub(super) const POINTS: u32 = 500;
const COMPONENTS_OUTPUT: &str = r#"job="containerlogs""#;
/// TraceQL that gives series.
const TRACE_METRICS: [&str; 5] = ["rate(", "_over_time(", "topk(", "bottomk(", "compare("];

/// A query whose variables are replaced.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) language: Language,
    pub(super) text: String,
    pub(super) is_instant: bool,
    pub(super) range: Duration,
}

/// A query of a panel or a link. `values` replace its variables, also in the uid of its source.
pub(super) fn asked(
    scene: &Scene,
    query: &Query,
    range: Duration,
    values: &Values,
) -> Verdict<Asked> {
    let mut all = Window::of(scene, range).values();
    all.extend(values.clone());
    let source = scene
        .artifacts
        .source(&expand(&query.source, values, Place::Link)?)?;
    Ok(Asked {
        language: source.language()?,
        text: expand(&query.text, &all, Place::Query)?,
        is_instant: query.is_instant,
        range,
    })
}

pub(super) async fn run_query(
    scene: &Scene,
    query: &Query,
    range: Duration,
    values: &Values,
) -> Verdict<Found> {
    if query.kind == "serviceMap" {
        return service_map(scene, scene.artifacts.source(&query.source)?, range).await;
    }
    run(scene, &asked(scene, query, range, values)?).await
}

/// The evidence that a query finds something. Log lines may be older than the run: a component that works logs nothing for
/// days, and a service logs its start once.
pub(super) async fn run_or_older_lines(scene: &Scene, asked: &Asked) -> Verdict {
    let found = run(scene, asked).await?;
    if found.count > 0 {
        return Ok(found.describe());
    }
    if asked.language == Language::LogQl {
        let (since, step) = lifetime(scene).await?;
        if let Answered::Lines(lines) = scene.loki.answer(&asked.text, since, step).await?
            && !lines.is_empty()
        {
            return Ok(format!("{} lines, all older than the run", lines.len()));
        }
    }
    not_yet(format!("{} finds nothing", asked.text))
}

/// Since the start of the first of the running programs, and the step for such a range.
async fn lifetime(scene: &Scene) -> Verdict<(SystemTime, Duration)> {
    let since = scene.prometheus.began(None).await?;
    let step = since.elapsed().unwrap_or_default() / POINTS;
    Ok((since, step.max(Duration::from_secs(1))))
}

/// The number of exemplars of this run behind a PromQL query; the trace of the last one must exist.
pub(super) async fn exemplars(scene: &Scene, promql: &str) -> Verdict<usize> {
    let found = scene
        .prometheus
        .exemplars(promql, scene.driven.started)
        .await?;
    let Some(last) = found.last() else {
        return not_yet(format!("no exemplar since the drive: {promql}"));
    };
    match scene.trace_by_id(&last.trace_id).await? {
        Some(_) => Ok(found.len()),
        None => not_yet(format!("there is no trace {}", last.trace_id)),
    }
}

/// Over the time since the drive began: older data proves nothing.
pub(super) async fn run(scene: &Scene, asked: &Asked) -> Verdict<Found> {
    let Asked { language, text, .. } = asked;
    needs::check(scene, needs::of_query(&scene.artifacts, *language, text)?)?;
    check_names::check(scene, *language, text).await?;
    let mut since = scene.driven.started.max(SystemTime::now() - asked.range);
    let mut step = Window::of(scene, asked.range).interval();
    if *language == Language::LogQl && text.contains(COMPONENTS_OUTPUT) {
        (since, step) = lifetime(scene).await?;
    }
    Ok(match language {
        Language::PromQl if asked.is_instant => {
            let mut samples = scene.prometheus.query(text).await?;
            samples.retain(|sample| !sample.value.is_nan());
            Found::series(samples)
        }
        Language::PromQl => Found::series(scene.prometheus.range(text, since, step).await?),
        Language::LogQl => match scene.loki.answer(text, since, step).await? {
            Answered::Series(samples) => Found::series(samples),
            Answered::Lines(lines) => {
                let fields = lines.into_iter().map(|mut line| {
                    line.labels.extend(line.metadata);
                    line.labels
                });
                Found::of("lines", fields.collect())
            }
        },
        Language::TraceQl => traces(scene, text, since, step).await?,
    })
}

async fn traces(
    scene: &Scene,
    text: &str,
    since: SystemTime,
    step: Duration,
) -> anyhow::Result<Found> {
    let Ok(tempo) = scene.tempo() else {
        return Ok(Found::default());
    };
    let no_fields = |count| vec![BTreeMap::new(); count];
    if TRACE_METRICS.iter().any(|call| text.contains(call)) {
        let count = tempo.series(text, since, step).await?;
        return Ok(Found::of("series", no_fields(count)));
    }
    if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let trace = tempo.trace(text).await?;
        let count = trace.map_or(0, |trace| trace.spans.len());
        return Ok(Found::of("spans", no_fields(count)));
    }
    let ids = tempo.search(text, since).await?.into_iter();
    let fields = ids.map(|id| BTreeMap::from([("traceID".to_owned(), id)]));
    Ok(Found::of("traces", fields.collect()))
}

/// What Grafana's service map and its table query.
const MAP: [&str; 6] = [
    "sum by (client, server) (rate(traces_service_graph_request_server_seconds_sum[$__range]))",
    "sum by (client, server) (rate(traces_service_graph_request_total[$__range]))",
    "sum by (client, server) (rate(traces_service_graph_request_failed_total[$__range]))",
    r#"topk(5, sum by (span_name) (rate(traces_spanmetrics_calls_total{span_kind="SPAN_KIND_SERVER"}[$__range])))"#,
    r#"topk(5, sum by (span_name) (rate(traces_spanmetrics_calls_total{span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_ERROR"}[$__range])))"#,
    "histogram_quantile(.9, sum by (le) (rate(traces_spanmetrics_latency_bucket[$__range])))",
];

/// All of them have data. It needs no Tempo: the metrics are the Collector's.
pub(super) async fn service_map(scene: &Scene, source: &Source, range: Duration) -> Verdict<Found> {
    let uid = source.service_map.as_deref().unwrap_or_default();
    let language = scene.artifacts.source(uid)?.language()?;
    if language != Language::PromQl {
        return broken(format!("{uid} is not a Prometheus"));
    }
    let values = Window::of(scene, range).values();
    let mut all = Found::default();
    for template in MAP {
        let asked = Asked {
            language,
            text: expand(template, &values, Place::Query)?,
            is_instant: true,
            range,
        };
        let found = run(scene, &asked).await?;
        if found.count == 0 {
            return not_yet(format!("{} has no data", asked.text));
        }
        all.count += found.count;
        all.what = found.what;
        all.rows.extend(found.rows);
    }
    Ok(all)
}

// === impl Found ===

impl Found {
    fn series(samples: Vec<Sample>) -> Self {
        let fields = samples.into_iter().map(|sample| sample.labels);
        Self::of("series", fields.collect())
    }

    fn of(what: &'static str, fields: Vec<BTreeMap<String, String>>) -> Self {
        Self {
            count: fields.len(),
            what,
            rows: fields.iter().take(100).map(named).collect(),
        }
    }

    pub(super) fn describe(&self) -> String {
        format!("{} {}", self.count, self.what)
    }
}

/// The fields of one row under each name that links give them.
fn named(fields: &BTreeMap<String, String>) -> Values {
    let names = fields.iter().flat_map(|(name, value)| {
        ["__data.fields", "__field.labels"]
            .map(|prefix| (format!("{prefix}.{name}"), Value::one(value)))
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_row_have_the_names_that_links_use() {
        let labels = BTreeMap::from([("service_name".to_owned(), "order".to_owned())]);
        let found = Found::of("series", vec![labels]);
        let link = "/d/x?a=${__field.labels.service_name}&b=${__data.fields.service_name}";
        let opened = expand(link, &found.rows[0], Place::Link).unwrap();
        assert_eq!(opened, "/d/x?a=order&b=order");
        assert_eq!(found.describe(), "1 series");
    }
}
