//! Both log pipelines against each other: the same records with the same ids.

use std::time::{Duration, SystemTime};

use super::Scene;
use crate::parity::{self, Record};
use crate::poll::Look;

/// Telemetry writes about itself to the file only, where OTLP would send each message round again.
const FILE_ONLY: &str = "telemetry.diagnostic";

/// Set equality over the drive's window. Its end is fixed by the look, so that both lanes are asked for the same time.
pub(super) async fn lanes_are_equal(scene: &Scene) -> anyhow::Result<Look> {
    let until = SystemTime::now() - Duration::from_secs(2);
    compare(
        scene,
        scene.driven.started,
        until,
        scene.lists.services.join("|").as_str(),
        "",
    )
    .await
}

/// A service writes its first lines before it serves anyone, outside every span.
pub(super) async fn start_is_in_both_lanes(scene: &Scene) -> anyhow::Result<Look> {
    let now = SystemTime::now();
    let mut seen = Vec::new();
    for service in &scene.lists.services {
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
