//! The links that the scenario page shows for a run, opened as a browser would.

use anyhow::Context;
use serde_json::Value;

use super::scene::Scene;
use crate::backend::Http;
use crate::drive::Case;
use crate::poll::Look;

pub(super) async fn answer(scene: &Scene) -> anyhow::Result<Look> {
    let run = scene.driven.answer(Case::Normal).context("no run")?;
    let links = run.body.get("links").and_then(Value::as_object);
    let links = links.context("the answer has no links")?;
    let trace_id = run.trace_id().context("the answer has no trace_id")?;
    let mut opened = Vec::new();
    for (kind, link) in links {
        let link = link.as_str().context("a link is not text")?;
        let answer = Http::new("")?.text(link).await?;
        // The metrics are those of the route; the other two are of this run alone.
        let holds = match kind.as_str() {
            "metrics" => answer.contains(r#""status":"success""#),
            "logs" => answer.contains(trace_id),
            _ => answer.contains("POST /api/scenarios/{name}"),
        };
        if !holds {
            return Ok(Look::NotYet(format!(
                "{kind}: {link} shows nothing of the run"
            )));
        }
        opened.push(kind.as_str());
    }
    // Without Tempo nothing answers for a single trace, and no link may say that something does.
    let expected = if scene.tempo().is_ok() { 3 } else { 2 };
    Ok(if opened.len() == expected {
        Look::Holds(format!("{} opened", opened.join(", ")))
    } else {
        Look::Broken(format!("{expected} links expected: {}", opened.join(", ")))
    })
}
