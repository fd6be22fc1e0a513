//! The links between signals that the data sources make, each followed from real telemetry.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use regex::Regex;

use super::Language;
use super::ask::{self, Found, Unasked};
use super::dashboard::Query;
use super::source::{Correlation, Onward, Source};
use super::template::{Place, Value, Values, Window, expand};
use crate::backend::LogLine;
use crate::check::Scene;
use crate::drive::Case;
use crate::poll::Look;
use crate::trace::{Kind, Span};

/// Around a span, where a link does not say it: Grafana's own choice is none, which finds no line at the edges.
const MARGIN: Duration = Duration::from_secs(60);
const RANGE: Duration = Duration::from_secs(60 * 60);
const LANES: [&str; 2] = ["otlp", "file"];

/// A log line of each lane leads to a trace that exists.
pub(super) async fn derived(scene: &Scene, source: &Source, at: usize) -> anyhow::Result<Look> {
    let field = source.derived.get(at).context("no such field")?;
    if let Err(state) = scene.artifacts.source(&field.target) {
        return Ok(Look::Broken(state));
    }
    let case = Case::ProductError;
    let id = scene
        .driven
        .trace_id(case)
        .context("no trace of the drive")?;
    let mut seen = Vec::new();
    for lane in LANES {
        let query = format!(r#"{{lane="{lane}"}} | trace_id="{id}""#);
        let (since, now) = (scene.driven.started, SystemTime::now());
        let lines = scene.loki.query(&query, since, now).await?;
        let Some(line) = lines.first() else {
            return Ok(Look::NotYet(format!("no line of {id} in lane {lane}")));
        };
        let Some(raw) = value_of(line, field.is_label, &field.matcher)? else {
            return Ok(Look::Broken(format!(
                "{} {:?} matches nothing of a line of lane {lane}",
                if field.is_label {
                    "the label"
                } else {
                    "the pattern"
                },
                field.matcher
            )));
        };
        let values = Values::from([("__value.raw".to_owned(), Value::One(raw))]);
        let opened = match expand(&field.url, &values, Place::Link) {
            Ok(opened) => opened,
            Err(state) => return Ok(Look::Broken(state)),
        };
        match scene.trace_by_id(&opened).await? {
            Some(trace) => seen.push(format!("{lane}: {} spans", trace.spans.len())),
            None => return Ok(Look::NotYet(format!("there is no trace {opened:?}"))),
        }
    }
    Ok(Look::Holds(seen.join(", ")))
}

fn value_of(line: &LogLine, is_label: bool, matcher: &str) -> anyhow::Result<Option<String>> {
    let pattern = Regex::new(matcher).with_context(|| format!("the pattern {matcher:?}"))?;
    if is_label {
        let fields = line.labels.iter().chain(&line.metadata);
        let found = fields.into_iter().find(|(name, _)| {
            let found = pattern.find(name);
            found.is_some_and(|found| found.len() == name.len())
        });
        return Ok(found.map(|(_, value)| value.clone()));
    }
    let found = pattern.captures(&line.text);
    Ok(found.and_then(|found| Some(found.get(1)?.as_str().to_owned())))
}

/// Every exemplar has the label, and the newest of them leads to a trace.
pub(super) async fn exemplar(scene: &Scene, source: &Source, at: usize) -> anyhow::Result<Look> {
    let exemplar = source.exemplars.get(at).context("no such destination")?;
    if let Err(state) = scene.artifacts.source(&exemplar.target) {
        return Ok(Look::Broken(state));
    }
    if exemplar.label != "trace_id" {
        return Ok(Look::Broken(format!(
            "no exemplar has a label {}: they have trace_id and span_id",
            exemplar.label
        )));
    }
    let query = r#"{__name__=~".+_bucket"}"#;
    let found = scene
        .prometheus
        .exemplars(query, scene.driven.started)
        .await?;
    let Some(last) = found.last() else {
        return Ok(Look::NotYet("no exemplar since the drive".to_owned()));
    };
    Ok(match scene.trace_by_id(&last.trace_id).await? {
        Some(_) => Look::Holds(format!("{} exemplars, last {}", found.len(), last.trace_id)),
        None => Look::NotYet(format!("there is no trace {}", last.trace_id)),
    })
}

/// From a span of every service to lines, all of them of its trace.
pub(super) async fn to_logs(scene: &Scene, source: &Source, at: usize) -> anyhow::Result<Look> {
    let onward = source.to_logs.as_ref().context("no way to logs")?;
    if let Err(state) = scene.artifacts.source(&onward.target) {
        return Ok(Look::Broken(state));
    }
    let custom = onward.queries.get(at).map(|(_, query)| query.clone());
    let template = custom.unwrap_or_else(|| built_in(onward));
    let Some(trace) = scene.trace(Case::ProductError).await?.ok() else {
        return Ok(Look::NotYet(
            "the trace of product-error is not there".to_owned(),
        ));
    };
    // Each service wrote a line in this trace, but for inventory, which was not asked.
    let mut seen = Vec::new();
    for service in ["gateway", "order", "product"] {
        let spans = trace.spans.iter().filter(|span| span.service == service);
        let Some(span) = spans.into_iter().find(|span| span.kind == Kind::Server) else {
            return Ok(Look::NotYet(format!("no span of {service}")));
        };
        let query = match expand(&template, &of_span(span, onward), Place::Query) {
            Ok(query) => query,
            Err(state) => return Ok(Look::Broken(state)),
        };
        if let Some(unasked) = super::known::unknown(scene, Language::LogQl, &query).await? {
            return Ok(unasked);
        }
        let (from, until) = (time(span.start) - MARGIN, time(span.end) + MARGIN);
        let lines = scene.loki.query(&query, from, until).await?;
        let others = lines
            .iter()
            .filter(|line| line.meta("trace_id") != span.trace_id);
        match (lines.len(), others.count()) {
            (0, _) => return Ok(Look::NotYet(format!("{query} finds no line"))),
            (count, 0) => seen.push(format!("{service}: {count} lines")),
            (_, others) => {
                return Ok(Look::Broken(format!(
                    "{query} finds {others} lines of other traces"
                )));
            }
        }
    }
    Ok(Look::Holds(seen.join(", ")))
}

/// Grafana's own query, where the source gives none: it searches the text of the line.
fn built_in(onward: &Onward) -> String {
    let mut query = "{${__tags}}".to_owned();
    if onward.filter_by_trace {
        query.push_str(r#" |= "${__trace.traceId}""#);
    }
    if onward.filter_by_span {
        query.push_str(r#" |= "${__span.spanId}""#);
    }
    query
}

pub(super) async fn to_metrics(scene: &Scene, source: &Source, at: usize) -> anyhow::Result<Look> {
    let onward = source.to_metrics.as_ref().context("no way to metrics")?;
    let (name, template) = onward.queries.get(at).context("no such query")?;
    let metrics = match scene.artifacts.source(&onward.target) {
        Ok(metrics) => metrics,
        Err(state) => return Ok(Look::Broken(state)),
    };
    let Some(trace) = scene.trace(Case::ProductError).await?.ok() else {
        return Ok(Look::NotYet(
            "the trace of product-error is not there".to_owned(),
        ));
    };
    let mut seen = Vec::new();
    for service in ["gateway", "order", "product"] {
        let spans = trace.spans.iter().filter(|span| span.service == service);
        let Some(span) = spans.into_iter().find(|span| span.kind == Kind::Server) else {
            return Ok(Look::NotYet(format!("no span of {service}")));
        };
        let query = Query {
            source: onward.target.clone(),
            text: template.clone(),
            kind: String::new(),
            is_instant: false,
            has_exemplars: false,
            interval: None,
        };
        let found = ask::ask(scene, metrics, &query, RANGE, &of_span(span, onward)).await?;
        match found {
            Err(look) => return Ok(look),
            Ok(found) if found.count == 0 => {
                return Ok(Look::NotYet(format!("{name}: no data for {service}")));
            }
            Ok(found) => seen.push(format!("{service}: {}", found.describe())),
        }
    }
    Ok(Look::Holds(seen.join(", ")))
}

/// What a link on a span may name.
fn of_span(span: &Span, onward: &Onward) -> Values {
    let attribute = |key: &str| match key {
        "service.name" => Some(span.service.clone()),
        key => span.attribute(key),
    };
    let tags = onward.tags.iter().filter_map(|(key, label)| {
        let value = attribute(key)?;
        Some(format!("{label}={value:?}"))
    });
    let mut values = Values::from(
        [
            ("__tags", tags.collect::<Vec<_>>().join(", ")),
            ("__trace.traceId", span.trace_id.clone()),
            ("__trace.name", span.name.clone()),
            ("__span.spanId", span.span_id.clone()),
            ("__span.name", span.name.clone()),
            // The fields of the trace view, which correlations name.
            ("traceID", span.trace_id.clone()),
            ("spanID", span.span_id.clone()),
            ("serviceName", span.service.clone()),
            ("operationName", span.name.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), Value::One(value))),
    );
    for key in span
        .attributes
        .keys()
        .map(String::as_str)
        .chain(["service.name"])
    {
        if let Some(value) = attribute(key) {
            values.insert(format!("__span.tags.{key}"), Value::One(value));
        }
    }
    values
}

pub(super) async fn correlation(scene: &Scene, source: &Source, at: usize) -> anyhow::Result<Look> {
    let correlation = source.correlations.get(at).context("no such correlation")?;
    let target = match scene.artifacts.source(&correlation.target) {
        Ok(target) => target,
        Err(state) => return Ok(Look::Broken(state)),
    };
    let Some(trace) = scene.trace(Case::ProductError).await?.ok() else {
        return Ok(Look::NotYet(
            "the trace of product-error is not there".to_owned(),
        ));
    };
    let span = trace
        .roots()
        .into_iter()
        .next()
        .context("a trace without a root")?;
    let values = match transformed(correlation, of_span(span, &Onward::default()))? {
        Ok(values) => values,
        Err(state) => return Ok(Look::Broken(state)),
    };
    let query = &correlation.query;
    Ok(
        match ask::ask(scene, target, query, RANGE, &values).await? {
            Err(look) => look,
            Ok(found) if found.count == 0 => Look::NotYet("finds nothing".to_owned()),
            Ok(found) => Look::Holds(found.describe()),
        },
    )
}

/// The fields of the span, and what the correlation's own expressions take out of them.
fn transformed(
    correlation: &Correlation,
    mut values: Values,
) -> anyhow::Result<Result<Values, String>> {
    if !values.contains_key(&correlation.field) {
        return Ok(Err(format!("a trace has no field {:?}", correlation.field)));
    }
    for (name, field, expression) in &correlation.transformations {
        let Some(Value::One(text)) = values.get(field) else {
            return Ok(Err(format!("a trace has no field {field:?}")));
        };
        let pattern = Regex::new(expression)?;
        let found = pattern.captures(text).and_then(|found| {
            let part = found.get(1).or_else(|| found.get(0))?;
            Some(part.as_str().to_owned())
        });
        let Some(found) = found else {
            return Ok(Err(format!("{expression:?} matches nothing of {text:?}")));
        };
        values.insert(name.clone(), Value::One(found));
    }
    Ok(Ok(values))
}

/// What Grafana's service map and its table ask for.
const MAP: [&str; 6] = [
    "sum by (client, server) (rate(traces_service_graph_request_server_seconds_sum[$__range]))",
    "sum by (client, server) (rate(traces_service_graph_request_total[$__range]))",
    "sum by (client, server) (rate(traces_service_graph_request_failed_total[$__range]))",
    r#"topk(5, sum by (span_name) (rate(traces_spanmetrics_calls_total{span_kind="SPAN_KIND_SERVER"}[$__range])))"#,
    r#"topk(5, sum by (span_name) (rate(traces_spanmetrics_calls_total{span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_ERROR"}[$__range])))"#,
    "histogram_quantile(.9, sum by (le) (rate(traces_spanmetrics_latency_bucket[$__range])))",
];

pub(super) async fn service_map(
    scene: &Scene,
    source: &Source,
    range: Duration,
) -> anyhow::Result<Result<Found, Unasked>> {
    let uid = source.service_map.as_deref().unwrap_or_default();
    match scene.artifacts.source(uid) {
        Ok(metrics) if metrics.kind == "prometheus" => {}
        Ok(other) => {
            let state = format!("{} is no Prometheus", other.uid);
            return Ok(Err(Look::Broken(state)));
        }
        Err(state) => return Ok(Err(Look::Broken(state))),
    }
    let window = Window {
        range,
        scrape: scene.interval,
        points: 1,
    };
    let mut all = Found::default();
    for template in MAP {
        let query = match expand(template, &window.values(), Place::Query) {
            Ok(query) => query,
            Err(state) => return Ok(Err(Look::Broken(state))),
        };
        match ask::run(scene, Language::PromQl, &query, true, window).await? {
            Err(look) => return Ok(Err(look)),
            Ok(found) if found.count == 0 => {
                return Ok(Err(Look::NotYet(format!("{query} has no data"))));
            }
            Ok(found) => {
                all.count += found.count;
                all.what = found.what;
                all.rows.extend(found.rows);
            }
        }
    }
    Ok(Ok(all))
}

fn time(nanoseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

/// The labels that panels need for a map are there: the names of its edges.
pub(super) fn edges(found: &Found) -> BTreeSet<String> {
    let name = |row: &Values, side: &str| match row.get(&format!("__field.labels.{side}")) {
        Some(Value::One(name)) => Some(name.clone()),
        _ => None,
    };
    let rows = found.rows.iter();
    rows.filter_map(|row| {
        Some(format!(
            "{} → {}",
            name(row, "client")?,
            name(row, "server")?
        ))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::sample::span;
    use std::collections::BTreeMap;

    fn line() -> LogLine {
        LogLine {
            at: 1,
            labels: BTreeMap::from([("lane".to_owned(), "otlp".to_owned())]),
            metadata: BTreeMap::from([("trace_id".to_owned(), "ab".to_owned())]),
            text: "trace=cd".to_owned(),
        }
    }

    #[test]
    fn a_field_comes_from_a_label_or_from_the_text() {
        let of = |is_label, matcher| value_of(&line(), is_label, matcher).unwrap();
        assert_eq!(of(true, "trace_id").as_deref(), Some("ab"));
        assert_eq!(of(true, "traceid"), None);
        assert_eq!(of(false, r"trace=(\w+)").as_deref(), Some("cd"));
        assert_eq!(of(false, "trace_id=(.*)"), None);
    }

    #[test]
    fn the_tags_of_a_span_become_matchers() {
        let onward = Onward {
            tags: vec![
                ("service.name".to_owned(), "service_name".to_owned()),
                ("absent".to_owned(), "absent".to_owned()),
            ],
            ..Onward::default()
        };
        let span = span("a", None, "order", Kind::Server, "Place");
        let template = r#"{${__tags}, lane="otlp"} | x="${__span.tags["service.name"]}""#;
        let query = expand(template, &of_span(&span, &onward), Place::Query).unwrap();
        assert_eq!(query, r#"{service_name="order", lane="otlp"} | x="order""#);
    }

    #[test]
    fn a_correlation_takes_its_variables_out_of_a_field_that_exists() {
        let mut correlation = Correlation {
            label: String::new(),
            target: String::new(),
            field: "traceID".to_owned(),
            query: Query::parse(&serde_json::Value::Null, ""),
            transformations: vec![("id".into(), "traceID".into(), "^(..)".into())],
        };
        let values = Values::from([("traceID".to_owned(), Value::one("abcd"))]);
        let made = transformed(&correlation, values.clone()).unwrap().unwrap();
        assert_eq!(made["id"], Value::one("ab"));
        correlation.field = "traceId".to_owned();
        assert!(transformed(&correlation, values).unwrap().is_err());
    }
}
