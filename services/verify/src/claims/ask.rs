//! Runs a query as Grafana would, and tells what there is.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::Language;
use super::dashboard::Query;
use super::source::Source;
use super::template::{Place, Values, Window, expand};
use crate::backend::Answered;
use crate::check::Scene;
use crate::poll::Look;

/// What a query found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Series with a number, lines, or traces.
    pub(super) count: usize,
    pub(super) what: &'static str,
    /// The fields of the first of them, as a link may name them.
    pub(super) rows: Vec<Values>,
}

/// Why a query found nothing that could be judged.
pub(super) type Unasked = Look;

const POINTS: u32 = 500;
const COMPONENTS_OUTPUT: &str = r#"job="containerlogs""#;
/// TraceQL that counts instead of finding.
const TRACE_METRICS: [&str; 5] = ["rate(", "_over_time(", "topk(", "bottomk(", "compare("];

/// How a dashboard of this range asks this source.
pub(super) fn window(range: Duration, source: &Source, query: &Query) -> Window {
    let scrape = query.interval.or(source.interval);
    Window {
        range,
        scrape: scrape.unwrap_or(Duration::from_secs(15)),
        points: POINTS,
    }
}

/// One query of a panel, its variables filled in.
pub(super) async fn ask(
    scene: &Scene,
    source: &Source,
    query: &Query,
    range: Duration,
    values: &Values,
) -> anyhow::Result<Result<Found, Unasked>> {
    let window = window(range, source, query);
    let mut all = window.values();
    all.extend(values.clone());
    if query.kind == "serviceMap" {
        return super::onward::service_map(scene, source, range).await;
    }
    let text = match expand(&query.text, &all, Place::Query) {
        Ok(text) => text,
        Err(state) => return Ok(Err(Look::Broken(state))),
    };
    let Some(language) = Language::of_backend(&source.kind) else {
        return Ok(Err(Look::Broken(format!(
            "nobody here knows how to ask a {:?}",
            source.kind
        ))));
    };
    if let Some(unasked) = super::known::unknown(scene, language, &text).await? {
        return Ok(Err(unasked));
    }
    run(scene, language, &text, query.is_instant, window).await
}

/// Lines from before the run, of the processes that run, that a query about lines finds.
pub(super) async fn older_lines(
    scene: &Scene,
    language: Option<Language>,
    logql: &str,
) -> anyhow::Result<usize> {
    if language != Some(Language::LogQl) {
        return Ok(0);
    }
    let (since, step) = lifetime(scene).await?;
    let answer = scene.loki.answer(logql, since, step).await?;
    Ok(match answer {
        Answered::Lines(lines) => lines.len(),
        Answered::Series(_) => 0,
    })
}

/// Since the first of the running programs was started, and the step to ask for that long in.
async fn lifetime(scene: &Scene) -> anyhow::Result<(SystemTime, Duration)> {
    let now = SystemTime::now();
    let since = scene.prometheus.began(None).await?;
    let step = now.duration_since(since)? / POINTS;
    Ok((since, step.max(Duration::from_secs(1))))
}

/// The exemplars behind a query's numbers; a trace of the newest must exist.
pub(super) async fn exemplars(
    scene: &Scene,
    source: &Source,
    query: &Query,
    range: Duration,
    values: &Values,
) -> anyhow::Result<Result<usize, Unasked>> {
    let mut all = window(range, source, query).values();
    all.extend(values.clone());
    let text = match expand(&query.text, &all, Place::Query) {
        Ok(text) => text,
        Err(state) => return Ok(Err(Look::Broken(state))),
    };
    let since = scene.driven.started;
    let found = scene.prometheus.exemplars(&text, since).await?;
    let Some(last) = found.last() else {
        let state = format!("is to show exemplars and has none: {text}");
        return Ok(Err(Look::NotYet(state)));
    };
    Ok(match scene.trace_by_id(&last.trace_id).await? {
        Some(_) => Ok(found.len()),
        None => Err(Look::NotYet(format!("there is no trace {}", last.trace_id))),
    })
}

/// A query without variables, over the time since the drive began: what lies there from before proves nothing.
pub(super) async fn run(
    scene: &Scene,
    language: Language,
    text: &str,
    is_instant: bool,
    window: Window,
) -> anyhow::Result<Result<Found, Unasked>> {
    let earliest = SystemTime::now()
        .checked_sub(window.range)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    // What the components print while all is well is next to nothing: their lines may be older than the run.
    let (since, step) = if language == Language::LogQl && text.contains(COMPONENTS_OUTPUT) {
        lifetime(scene).await?
    } else {
        (earliest.max(scene.driven.started), window.interval())
    };
    Ok(Ok(match language {
        Language::PromQl if is_instant => {
            let mut samples = scene.prometheus.query(text).await?;
            samples.retain(|sample| !sample.value.is_nan());
            Found::series(samples.into_iter().map(|s| (s.labels, s.value)))
        }
        Language::PromQl => {
            let samples = scene.prometheus.range(text, since, step).await?;
            Found::series(samples.into_iter().map(|s| (s.labels, s.value)))
        }
        Language::LogQl => match scene.loki.answer(text, since, step).await? {
            Answered::Series(samples) => {
                Found::series(samples.into_iter().map(|s| (s.labels, s.value)))
            }
            Answered::Lines(lines) => {
                let fields = lines.iter().map(|line| {
                    let mut fields = line.labels.clone();
                    fields.extend(line.metadata.clone());
                    fields.insert("Line".to_owned(), line.text.clone());
                    fields
                });
                Found::of("lines", lines.len(), fields)
            }
        },
        Language::TraceQl => {
            let tempo = match scene.tempo() {
                Ok(tempo) => tempo,
                Err(missing) => return Ok(Err(missing)),
            };
            if TRACE_METRICS.iter().any(|call| text.contains(call)) {
                let count = tempo.series(text, since, step).await?;
                Found::of("series", count, std::iter::empty())
            } else if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let spans = tempo
                    .trace(text)
                    .await?
                    .map_or(0, |trace| trace.spans.len());
                Found::of("spans", spans, std::iter::empty())
            } else {
                let ids = tempo.search(text, since).await?;
                let count = ids.len();
                let fields = ids.into_iter().map(|id| {
                    let names = ["traceID", "Trace ID", "traceIdHidden"];
                    BTreeMap::from(names.map(|name| (name.to_owned(), id.clone())))
                });
                Found::of("traces", count, fields)
            }
        }
    }))
}

// === impl Found ===

impl Found {
    fn series(samples: impl Iterator<Item = (BTreeMap<String, String>, f64)>) -> Self {
        let mut fields = Vec::new();
        for (mut labels, value) in samples {
            labels.insert("Value".to_owned(), value.to_string());
            fields.push(labels);
        }
        Self::of("series", fields.len(), fields.into_iter())
    }

    fn of(
        what: &'static str,
        count: usize,
        fields: impl Iterator<Item = BTreeMap<String, String>>,
    ) -> Self {
        Self {
            count,
            what,
            rows: fields.take(100).map(|fields| named(&fields)).collect(),
        }
    }

    pub(super) fn describe(&self) -> String {
        format!("{} {}", self.count, self.what)
    }
}

/// The fields of one row under each name that Grafana gives them in links.
fn named(fields: &BTreeMap<String, String>) -> Values {
    use super::template::Value::One;
    let mut values = Values::new();
    for (name, value) in fields {
        values.insert(format!("__data.fields.{name}"), One(value.clone()));
        values.insert(format!("__field.labels.{name}"), One(value.clone()));
    }
    // A cell's own value: of a trace its id, of a number the number.
    let raw = ["traceID", "Value", "Line"]
        .iter()
        .find_map(|name| fields.get(*name));
    if let Some(raw) = raw {
        values.insert("__value.raw".to_owned(), One(raw.clone()));
        values.insert("__value.text".to_owned(), One(raw.clone()));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_named_as_links_name_it() {
        let found = Found::series(
            [(
                BTreeMap::from([("service_name".to_owned(), "order".to_owned())]),
                2.0,
            )]
            .into_iter(),
        );
        let link = "/d/x?var-service=${__field.labels.service_name}&v=${__value.raw}";
        let opened = expand(link, &found.rows[0], Place::Link).unwrap();
        assert_eq!(opened, "/d/x?var-service=order&v=2");
        assert_eq!(found.describe(), "1 series");
    }
}
