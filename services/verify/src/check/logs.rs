//! Claims about Loki.

use std::time::{Duration, SystemTime};

use super::Scene;
use crate::backend::LogLine;
use crate::claim::Lines;
use crate::expectations::SERVICES;
use crate::parity::{self, Record};
use crate::poll::Look;

/// Telemetry's words about itself go to the file only where OTLP would feed them back.
const FILE_ONLY: &str = "telemetry.diagnostic";

pub(super) async fn lines(scene: &Scene, logql: &str, holds: Lines) -> anyhow::Result<Look> {
    let found = since_start(scene, logql).await?;
    Ok(match (holds, found.first()) {
        (Lines::AtLeast(least), Some(first)) if found.len() >= least => Look::Holds(format!(
            "{} lines, first: {}",
            found.len(),
            shortened(&first.text)
        )),
        (Lines::AtLeast(least), _) => {
            Look::NotYet(format!("{} lines instead of at least {least}", found.len()))
        }
        (Lines::None, None) => Look::Holds("no line".to_owned()),
        (Lines::None, Some(first)) => Look::Broken(format!(
            "{} lines, first: {}",
            found.len(),
            shortened(&first.text)
        )),
    })
}

/// Ids filter lines, but the label list must not have them: one stream per trace would be thousands of streams.
pub(super) async fn ids_are_no_labels(scene: &Scene) -> anyhow::Result<Look> {
    let labels = scene.loki.label_names(scene.driven.started).await?;
    let wanted = ["job", "lane", "level", "service_name", "component"];
    if let Some(id) = ["trace_id", "span_id"]
        .into_iter()
        .find(|id| labels.contains(*id))
    {
        return Ok(Look::Broken(format!("{id} is a label: {labels:?}")));
    }
    // Components may have said nothing since the drive began.
    let began = scene.prometheus.began(None).await?;
    let labels = scene.loki.label_names(began).await?;
    Ok(
        match wanted.iter().find(|label| !labels.contains(**label)) {
            Some(missing) => Look::NotYet(format!("no label {missing}: {labels:?}")),
            None => Look::Holds(labels.into_iter().collect::<Vec<_>>().join(", ")),
        },
    )
}

/// Components are quiet when all is well, but each says something when it starts.
pub(super) async fn container_labels(scene: &Scene) -> anyhow::Result<Look> {
    let mut seen = Vec::new();
    for component in ["otel-collector", "prometheus"] {
        let since = scene.prometheus.began(Some(component)).await?;
        let selector = format!(r#"{{job="containerlogs",component="{component}"}}"#);
        let now = SystemTime::now();
        match scene.loki.query(&selector, since, now).await?.len() {
            0 => {
                return Ok(Look::NotYet(format!(
                    "no line of {component} since its start"
                )));
            }
            count => seen.push(format!("{count} lines of {component}")),
        }
    }
    Ok(Look::Holds(seen.join(", ")))
}

/// Set equality over the drive's window. Its end is fixed by the look, so that both lanes are asked for the same time.
pub(super) async fn lanes_are_equal(scene: &Scene) -> anyhow::Result<Look> {
    let until = SystemTime::now() - Duration::from_secs(2);
    compare(
        scene,
        scene.driven.started,
        until,
        SERVICES.join("|").as_str(),
        "",
    )
    .await
}

/// A service writes its first lines before it serves anyone, outside every span.
pub(super) async fn start_is_in_both_lanes(scene: &Scene) -> anyhow::Result<Look> {
    let now = SystemTime::now();
    let mut seen = Vec::new();
    for service in SERVICES {
        let query = format!(r#"{{service_name="{service}",lane="file"}} |= "service.started""#);
        let began = scene.prometheus.began(Some(service)).await?;
        let started = scene.loki.query(&query, began, now).await?;
        let Some(last) = started.last() else {
            return Ok(Look::NotYet(format!(
                "{service}: no line service.started of the running process in the file lane"
            )));
        };
        let from = SystemTime::UNIX_EPOCH + Duration::from_nanos(last.at);
        match compare(
            scene,
            from,
            from + Duration::from_secs(1),
            service,
            "service.started",
        )
        .await?
        {
            Look::Holds(evidence) => seen.push(format!("{service}: {evidence}")),
            other => return Ok(other),
        }
    }
    Ok(Look::Holds(seen.join("; ")))
}

/// Compares the lanes of `services` in a window; `outside` names an event that must be there without a trace id.
async fn compare(
    scene: &Scene,
    from: SystemTime,
    until: SystemTime,
    services: &str,
    outside: &str,
) -> anyhow::Result<Look> {
    let lane = |lane| format!(r#"{{service_name=~"{services}",lane="{lane}"}}"#);
    let otlp = scene.loki.query(&lane("otlp"), from, until).await?;
    let file = scene.loki.query(&lane("file"), from, until).await?;
    let mut otlp: Vec<Record> = otlp.iter().map(Record::of_otlp).collect();
    let file: Result<Vec<Record>, String> = file.iter().map(Record::of_file).collect();
    let mut file = match file {
        Ok(file) => file,
        Err(state) => return Ok(Look::Broken(state)),
    };
    // A diagnostic about a lane may be in one of them only.
    otlp.retain(|record| record.event != FILE_ONLY);
    file.retain(|record| record.event != FILE_ONLY);
    let is_told = outside.is_empty()
        || otlp
            .iter()
            .any(|record| record.event == outside && record.trace_id.is_empty());
    let silent = services
        .split('|')
        .find(|service| !otlp.iter().any(|record| record.service == **service));
    let compared = parity::compare(otlp, file);
    Ok(match silent {
        _ if !compared.holds() => Look::NotYet(compared.describe()),
        Some(service) => Look::NotYet(format!("{}, none of {service}", compared.describe())),
        None if !is_told => Look::NotYet(format!(
            "{}, no {outside} outside a span",
            compared.describe()
        )),
        None => Look::Holds(compared.describe()),
    })
}

pub(super) async fn since_start(scene: &Scene, logql: &str) -> anyhow::Result<Vec<LogLine>> {
    scene
        .loki
        .query(logql, scene.driven.started, SystemTime::now())
        .await
}

fn shortened(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(100) {
        Some((end, _)) => &line[..end],
        None => line,
    }
}
