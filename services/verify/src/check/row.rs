//! Judges a row of `checks/*.yaml`: asks the backend that the row's kind names, and compares with its verdict.

use std::time::SystemTime;

use anyhow::Context;
use checks::{Amount, Kind, Row, Texts, tree};

use super::Scene;
use super::baseline::{epoch_seconds, live, risen};
use crate::backend::{Answered, Http, Sample};
use crate::poll::Look;

/// One look at `row`, whose variables are filled in.
pub(super) async fn look(scene: &Scene, row: &Row) -> anyhow::Result<Look> {
    if let Some(id) = row
        .after
        .iter()
        .find(|id| scene.driven.answer(id).is_none())
    {
        return Ok(Look::Broken(format!("request {id} was not sent")));
    }
    match row.kind()? {
        Kind::Http(_) if row.is_request() => Ok(answer(scene, row)),
        Kind::Http(line) => http(row, line.trim_start_matches("GET ")).await,
        Kind::Promql(promql) => match (&row.moves_by, row.at_least) {
            (Some(amount), _) => moves_by(scene, promql, amount).await,
            (None, Some(least)) => fresh(scene, promql, least).await,
            (None, None) => Ok(judge_samples(&scene.prometheus.query(promql).await?, row)),
        },
        Kind::Logql(logql) => lines(scene, logql, row).await,
        Kind::Traceql(traceql) => finds(scene, traceql, row.finds.iter().flatten()).await,
        Kind::Trace(id) => spans(scene, id, row).await,
    }
}

/// A request of the drive, which was answered already.
fn answer(scene: &Scene, row: &Row) -> Look {
    let Some(answer) = scene.driven.answer(&row.id) else {
        return Look::Broken("was not sent: an earlier answer that it needs is missing".to_owned());
    };
    let judged = answer.judge(row.expected_status(), row.problem.is_some());
    match judged.and_then(|evidence| texts(row, &answer.body.to_string()).map(|()| evidence)) {
        Ok(evidence) => Look::Holds(evidence),
        Err(state) => Look::Broken(state),
    }
}

async fn http(row: &Row, url: &str) -> anyhow::Result<Look> {
    let (answered, expected) = (Http::new("")?.status(url).await?, row.expected_status());
    if answered != expected {
        return Ok(Look::NotYet(format!(
            "{url} answered {answered} instead of {expected}"
        )));
    }
    let text = match Texts::of(&row.has).len() + Texts::of(&row.absent).len() {
        0 => String::new(),
        _ => Http::new("")?.text(url).await?,
    };
    Ok(match texts(row, &text) {
        Ok(()) => Look::Holds(url.to_owned()),
        Err(state) => Look::NotYet(shortened(&state, 400).to_owned()),
    })
}

fn texts(row: &Row, text: &str) -> Result<(), String> {
    if let Some(missing) = Texts::of(&row.has)
        .iter()
        .find(|part| !text.contains(*part))
    {
        return Err(format!("no {missing} in {text}"));
    }
    match Texts::of(&row.absent)
        .iter()
        .find(|part| text.contains(*part))
    {
        Some(unwanted) => Err(format!("{unwanted} in {text}")),
        None => Ok(()),
    }
}

async fn moves_by(scene: &Scene, promql: &str, amount: &Amount) -> anyhow::Result<Look> {
    let Some(before) = scene.baseline.series.get(promql) else {
        let state = "no baseline: Prometheus had no fresh sample before the drive";
        return Ok(Look::Broken(state.to_owned()));
    };
    let after = live(&scene.prometheus, promql, scene.baseline.since).await?;
    let moved = risen(before, &after);
    let (expected, is_final) = match amount {
        Amount::Exactly(expected) => (*expected, true),
        Amount::AtLeast { at_least } if moved >= *at_least => (moved, false),
        Amount::AtLeast { at_least } => (*at_least, false),
        Amount::Spans { spans } => match scene.all_traces().await? {
            Ok(traces) => {
                let all = traces.iter().flat_map(|trace| &trace.spans);
                (
                    all.filter(|span| tree::matches(spans, &span.title()))
                        .count() as f64,
                    false,
                )
            }
            Err(not_yet) => return Ok(not_yet),
        },
    };
    Ok(if moved == expected && expected > 0.0 {
        Look::Holds(format!("moved by {moved}"))
    } else if moved > expected && is_final {
        Look::Broken(format!(
            "moved by {moved} instead of {expected}: is another client using the shop?"
        ))
    } else {
        Look::NotYet(format!(
            "moved by {moved} instead of {expected} ({} series)",
            after.len()
        ))
    })
}

/// The newest sample must be younger than the drive: an instant query also answers what is five minutes old.
async fn fresh(scene: &Scene, promql: &str, least: f64) -> anyhow::Result<Look> {
    let samples = scene.prometheus.query(promql).await?;
    let times = scene
        .prometheus
        .query(&format!("timestamp({promql})"))
        .await?;
    let newest = times
        .iter()
        .map(|sample| sample.value)
        .fold(f64::NEG_INFINITY, f64::max);
    let age = epoch_seconds(scene.driven.started) - newest;
    Ok(if (samples.len() as f64) < least {
        Look::NotYet(format!(
            "{} series instead of at least {least}",
            samples.len()
        ))
    } else if age > 0.0 {
        Look::NotYet(format!(
            "the newest sample is {age:.1} s older than the drive"
        ))
    } else {
        Look::Holds(format!(
            "{} series, {:.2}",
            samples.len(),
            greatest(&samples)
        ))
    })
}

fn judge_samples(samples: &[Sample], row: &Row) -> Look {
    let off = |wanted: f64| {
        let off = samples.iter().find(|sample| sample.value != wanted);
        off.map(|sample| format!("{} of {:?}", sample.value, sample.labels))
    };
    if row.absent.is_some() {
        return off(0.0).map_or(Look::Holds("0".to_owned()), Look::NotYet);
    }
    if samples.is_empty() {
        return Look::NotYet("no series".to_owned());
    }
    if let Some(wanted) = row.exactly {
        return off(wanted).map_or(
            Look::Holds(format!("{} series", samples.len())),
            Look::NotYet,
        );
    }
    let value = greatest(samples);
    let (holds, state) = match (row.at_most, row.at_least) {
        (Some(most), _) => (value <= most, format!("{value:.1}, at most {most}")),
        (None, least) => {
            let least = least.unwrap_or_default();
            (value >= least, format!("{value:.1}, at least {least}"))
        }
    };
    if holds {
        Look::Holds(state)
    } else {
        Look::NotYet(state)
    }
}

/// Lines since the start of the drive, or the number that a metric query counts.
async fn lines(scene: &Scene, logql: &str, row: &Row) -> anyhow::Result<Look> {
    let since = scene.driven.started;
    if !logql.starts_with('{') {
        return Ok(
            match scene.loki.answer(logql, since, scene.interval).await? {
                Answered::Series(samples) => judge_samples(&samples, row),
                Answered::Lines(lines) => {
                    Look::Broken(format!("{} lines instead of a number", lines.len()))
                }
            },
        );
    }
    let found = scene.loki.query(logql, since, SystemTime::now()).await?;
    let first = found
        .first()
        .map(|line| shortened(&line.text, 100))
        .unwrap_or_default();
    let state = format!("{} lines, first: {first}", found.len());
    Ok(match row.at_least {
        Some(least) if found.len() as f64 >= least => Look::Holds(state),
        Some(least) => Look::NotYet(format!("{} lines instead of at least {least}", found.len())),
        None if found.is_empty() => Look::Holds("no line".to_owned()),
        None => Look::Broken(state),
    })
}

async fn finds(
    scene: &Scene,
    traceql: &str,
    ids: impl Iterator<Item = &String>,
) -> anyhow::Result<Look> {
    let tempo = match scene.tempo() {
        Ok(tempo) => tempo,
        Err(missing) => return Ok(missing),
    };
    let found = tempo.search(traceql, scene.driven.started).await?;
    for id in ids {
        let trace = scene
            .driven
            .trace_id(id)
            .with_context(|| format!("no trace ID of {id}"))?;
        if !found.contains(trace) {
            return Ok(Look::NotYet(format!(
                "{} traces, without that of {id} ({trace})",
                found.len()
            )));
        }
    }
    Ok(Look::Holds(format!("{} traces", found.len())))
}

async fn spans(scene: &Scene, id: &str, row: &Row) -> anyhow::Result<Look> {
    let trace = match scene.trace(id).await? {
        Ok(trace) => trace,
        Err(look) => return Ok(look),
    };
    let spans: Vec<tree::Span> = trace.spans.iter().map(tree::Span::from).collect();
    let mut evidence = format!("{} spans", spans.len());
    let golden = match &row.tree {
        Some(name) => Some(
            scene
                .checks
                .trees
                .get(name)
                .with_context(|| format!("no tree {name}"))?,
        ),
        None => None,
    };
    let compared = golden.map(|golden| tree::compare(golden, &spans));
    let has = Texts::of(&row.has)
        .iter()
        .map(|part| tree::has(part, &spans));
    let absent = Texts::of(&row.absent)
        .iter()
        .map(|line| tree::absent(line, &spans));
    for judged in compared.into_iter().chain(has).chain(absent) {
        match judged {
            Ok(text) => evidence = text,
            Err(state) => {
                let trace = trace
                    .spans
                    .first()
                    .map(|span| span.trace_id.as_str())
                    .unwrap_or_default();
                return Ok(Look::NotYet(format!("{state}; trace {trace}")));
            }
        }
    }
    Ok(Look::Holds(evidence))
}

fn greatest(samples: &[Sample]) -> f64 {
    samples
        .iter()
        .map(|sample| sample.value)
        .fold(f64::NEG_INFINITY, f64::max)
}

/// The first line, cut.
fn shortened(text: &str, most: usize) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.char_indices()
        .nth(most)
        .map_or(line, |(end, _)| &line[..end])
}
