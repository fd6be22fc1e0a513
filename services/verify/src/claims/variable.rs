//! The values of a dashboard's variables when it opens.

use super::dashboard::{ALL, Dashboard, Options, Variable};
use super::template::{Place, Value, Values, expand};
use super::{Artifacts, Language, Unmet, Verdict, needs, not_yet};
use crate::check::Scene;

/// Of all variables.
pub(super) async fn values(scene: &Scene, dashboard: &Dashboard) -> Verdict<Values> {
    let mut values = Values::new();
    for variable in &dashboard.variables {
        let options = options(scene, variable, &values).await?;
        let value = chosen(variable, &options);
        let value = value
            .ok_or_else(|| Unmet::NotYet(format!("variable {} has no value", variable.name)))?;
        values.insert(variable.name.clone(), value);
    }
    Ok(values)
}

/// The variable has options, and its current values are among them.
pub(super) async fn has_values(
    scene: &Scene,
    dashboard: &Dashboard,
    variable: &Variable,
) -> Verdict {
    let all = values(scene, dashboard).await?;
    let options = options(scene, variable, &all).await?;
    let mut current = variable.current.iter();
    match current.find(|value| *value != ALL && !options.contains(value)) {
        Some(value) => not_yet(format!("{value:?} is chosen, but no option: {options:?}")),
        None => Ok(options.join(", ")),
    }
}

/// By the variable's own query, which may name earlier variables.
async fn options(scene: &Scene, variable: &Variable, earlier: &Values) -> Verdict<Vec<String>> {
    let (source, label, selector) = match &variable.options {
        Options::Unread(what) => return Err(Unmet::unread(what)),
        Options::Sources(kind) => return Ok(of_kind(&scene.artifacts, kind)),
        Options::Label {
            source,
            label,
            selector,
        } => (source, label, selector),
    };
    let uid = expand(source, earlier, Place::Link)?;
    let language = scene.artifacts.source(&uid)?.language()?;
    let selector = match selector {
        Some(selector) => Some(expand(selector, earlier, Place::Query)?),
        None => None,
    };
    let (selector, since) = (selector.as_deref(), scene.driven.started);
    needs::check(
        scene,
        needs::of_query(&scene.artifacts, language, selector.unwrap_or_default())?,
    )?;
    Ok(match language {
        Language::PromQl => {
            scene
                .prometheus
                .label_values(label, selector, since)
                .await?
        }
        Language::LogQl => scene.loki.label_values(label, selector, since).await?,
        Language::TraceQl => return Err(Unmet::unread("a variable from Tempo")),
    }
    .into_iter()
    .collect())
}

fn of_kind(artifacts: &Artifacts, kind: &str) -> Vec<String> {
    let sources = artifacts
        .sources
        .iter()
        .filter(|source| source.kind == kind);
    sources.map(|source| source.uid.clone()).collect()
}

/// What Grafana has chosen when the dashboard opens.
fn chosen(variable: &Variable, options: &[String]) -> Option<Value> {
    let is_all = match variable.current.as_slice() {
        [] => variable.has_all,
        current => current.iter().any(|value| value == ALL),
    };
    let current = match &variable.all_value {
        Some(all) if is_all && !all.is_empty() => return Some(Value::one(all)),
        _ if is_all => options.to_vec(),
        _ if variable.current.is_empty() => options.iter().take(1).cloned().collect(),
        _ => variable.current.clone(),
    };
    match current.as_slice() {
        [] => None,
        [one] if !variable.is_multiple && !variable.has_all => Some(Value::one(one)),
        _ => Some(Value::Chosen(current)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn variable(json: &serde_json::Value) -> Variable {
        let dashboard =
            json!({"uid": "a", "time": {"from": "now-1h"}, "templating": {"list": [json]}});
        let mut dashboard = Dashboard::parse("a.json", &dashboard).unwrap();
        dashboard.variables.remove(0)
    }

    #[test]
    fn the_choice_is_all_options_the_current_one_or_the_first() {
        let both = ["gateway", "order"].map(str::to_owned);
        let all = json!({"includeAll": true, "current": {"value": ["$__all"]}});
        let with_value =
            json!({"includeAll": true, "allValue": ".+", "current": {"value": ["$__all"]}});
        for (json, options, expected) in [
            (&all, &both[..], Some(Value::Chosen(both.to_vec()))),
            (&with_value, &both, Some(Value::one(".+"))),
            (&json!({"current": {}}), &both, Some(Value::one("gateway"))),
            (
                &json!({"current": {"value": "order"}}),
                &both,
                Some(Value::one("order")),
            ),
            (&json!({"current": {}}), &[], None),
        ] {
            assert_eq!(chosen(&variable(json), options), expected, "{json}");
        }
    }
}
