//! Exemplars of the span metrics against the trace store.

use super::Scene;
use crate::poll::Look;

/// Exemplars that were made by this drive, each of whose traces the trace store has.
pub(super) async fn lead_to_traces(scene: &Scene) -> anyhow::Result<Look> {
    let query = "traces_spanmetrics_latency_bucket";
    let found = scene
        .prometheus
        .exemplars(query, scene.driven.started)
        .await?;
    let ours = scene.driven.trace_ids();
    let Some(exemplar) = found
        .iter()
        .find(|exemplar| ours.contains(exemplar.trace_id.as_str()))
    else {
        return Ok(Look::NotYet(format!(
            "{} exemplars, none of this drive",
            found.len()
        )));
    };
    Ok(match scene.trace_by_id(&exemplar.trace_id).await? {
        None => Look::NotYet(format!(
            "the exemplar's trace {} is not there",
            exemplar.trace_id
        )),
        Some(trace) => Look::Holds(format!(
            "{} of {} exemplars are of this drive; {} of {} leads to {} spans",
            found
                .iter()
                .filter(|exemplar| ours.contains(exemplar.trace_id.as_str()))
                .count(),
            found.len(),
            exemplar.trace_id,
            exemplar
                .series
                .get("service_name")
                .map_or("?", String::as_str),
            trace.spans.len()
        )),
    })
}
