//! The links between signals that the data sources make, followed from telemetry of the drive.

use std::collections::BTreeMap;
use std::time::SystemTime;

use regex::Regex;

use super::dashboard::Query;
use super::source::{From, SourceLink};
use super::template::{Place, Value, Values, expand};
use super::{Unmet, Verdict, broken, needs, not_yet, query};
use crate::backend::LogLine;
use crate::check::Scene;
use crate::trace::{Kind, Span};

/// The request whose telemetry is followed: it leaves spans, lines and metrics in several services.
const REQUEST: &str = "product-error";
/// The log pipelines.
const LANES: [&str; 2] = ["otlp", "file"];

pub(super) async fn follow(scene: &Scene, link: &SourceLink) -> Verdict {
    scene.artifacts.source(&link.target)?;
    match &link.from {
        From::Line { matcher, url } => lines(scene, matcher, url).await,
        From::Exemplar(label) => exemplar(scene, label).await,
        From::Span { field, tags, query } => {
            let query = Query {
                source: link.target.clone(),
                ..query.clone()
            };
            spans(scene, field, tags, &query).await
        }
        From::Unread(what) => Err(Unmet::unread(what)),
    }
}

/// A log line of each pipeline leads to a trace that exists.
async fn lines(scene: &Scene, matcher: &str, url: &str) -> Verdict {
    needs::check(scene, ["loki", "promtail"])?;
    let id = scene.driven.trace_id(REQUEST).unwrap_or_default();
    let mut seen = Vec::new();
    for lane in LANES {
        let query = format!(r#"{{lane="{lane}"}} | trace_id="{id}""#);
        let (since, now) = (scene.driven.started, SystemTime::now());
        let lines = scene.loki.query(&query, since, now).await?;
        let Some(line) = lines.first() else {
            return not_yet(format!("no line of {id} in lane {lane}"));
        };
        let Some(raw) = label(line, matcher)? else {
            return broken(format!(
                "the label {matcher:?} matches nothing of a line of lane {lane}"
            ));
        };
        let values = Values::from([("__value.raw".to_owned(), Value::One(raw))]);
        let opened = expand(url, &values, Place::Link)?;
        match scene.trace_by_id(&opened).await? {
            Some(trace) => seen.push(format!("{lane}: {} spans", trace.spans.len())),
            None => return not_yet(format!("there is no trace {opened:?}")),
        }
    }
    Ok(seen.join(", "))
}

/// The value of the label or metadata whose whole name the pattern matches.
fn label(line: &LogLine, matcher: &str) -> Verdict<Option<String>> {
    let pattern = Regex::new(&format!("^(?:{matcher})$"))?;
    let mut fields = line.labels.iter().chain(&line.metadata);
    let found = fields.find(|(name, _)| pattern.is_match(name));
    Ok(found.map(|(_, value)| value.clone()))
}

/// The exemplars of the drive have the label and lead to a trace.
async fn exemplar(scene: &Scene, label: &str) -> Verdict {
    if label != "trace_id" {
        return broken(format!(
            "no exemplar has a label {label}: they have trace_id and span_id"
        ));
    }
    let count = query::exemplars(scene, r#"{__name__=~".+_bucket"}"#).await?;
    Ok(format!("{count} exemplars"))
}

/// From the SERVER span of each service that failed in a trace: those have log lines of their own. If the result is log
/// lines, they are of that trace.
async fn spans(scene: &Scene, field: &str, tags: &[(String, String)], query: &Query) -> Verdict {
    let trace = match scene.trace(REQUEST).await? {
        Ok(trace) => trace,
        Err(_) => {
            return not_yet(format!("the trace of {REQUEST:?} is not there"));
        }
    };
    let spans = trace.spans.iter();
    let servers = spans.filter(|span| span.kind == Kind::Server && span.is_error());
    let by_service: BTreeMap<&str, &Span> = servers.map(|span| (span.service(), span)).collect();
    if by_service.is_empty() {
        return not_yet(format!("no SERVER span of {REQUEST:?} failed"));
    }
    let mut seen = Vec::new();
    for (service, span) in by_service {
        let values = values(span, tags);
        if !field.is_empty() && !values.contains_key(field) {
            return broken(format!("a trace has no field {field:?}"));
        }
        let found = query::run_query(scene, query, query::RANGE, &values).await?;
        if found.count == 0 {
            return not_yet(format!("{} finds nothing for {service}", query.text));
        }
        let id = Value::one(&span.trace_id);
        let of = |row: &Values| row.get("__data.fields.trace_id").cloned();
        if found
            .rows
            .iter()
            .any(|row| of(row).is_some_and(|other| other != id))
        {
            return broken(format!("{} finds lines of other traces", query.text));
        }
        seen.push(format!("{service}: {}", found.describe()));
    }
    match seen.is_empty() {
        true => not_yet("the trace has no SERVER span"),
        false => Ok(seen.join(", ")),
    }
}

/// What a link of a span may name: its tags as matchers, its ids, and the fields of the trace view.
fn values(span: &Span, tags: &[(String, String)]) -> Values {
    let attribute = |key: &str| match key {
        "service.name" => Some(span.service().to_owned()),
        key => span.attribute(key),
    };
    let matchers = tags.iter().filter_map(|(key, label)| {
        let value = attribute(key)?;
        Some(format!("{label}={value:?}"))
    });
    let all = [
        ("__tags", matchers.collect::<Vec<_>>().join(", ")),
        ("__trace.traceId", span.trace_id.clone()),
        ("__span.spanId", span.span_id.clone()),
        ("traceID", span.trace_id.clone()),
        ("spanID", span.span_id.clone()),
        ("serviceName", span.service().to_owned()),
        ("operationName", span.name.clone()),
    ];
    all.map(|(name, value)| (name.to_owned(), Value::One(value)))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::sample::span;

    #[test]
    fn a_label_is_found_by_its_whole_name() {
        let line = LogLine {
            at: 1,
            labels: BTreeMap::from([("lane".to_owned(), "otlp".to_owned())]),
            metadata: BTreeMap::from([("trace_id".to_owned(), "ab".to_owned())]),
            text: "trace=cd".to_owned(),
        };
        assert_eq!(label(&line, "trace_id").unwrap().as_deref(), Some("ab"));
        assert_eq!(label(&line, "traceid|trace").unwrap(), None);
    }

    #[test]
    fn the_tags_of_a_span_become_matchers() {
        let pair = |key: &str, label: &str| (key.to_owned(), label.to_owned());
        let tags = [
            pair("service.name", "service_name"),
            pair("absent", "absent"),
        ];
        let span = span("a", None, "order", Kind::Server, "Place");
        let template = r#"{${__tags}, lane="otlp"} | x="$serviceName""#;
        let query = expand(template, &values(&span, &tags), Place::Query).unwrap();
        assert_eq!(query, r#"{service_name="order", lane="otlp"} | x="order""#);
    }
}
