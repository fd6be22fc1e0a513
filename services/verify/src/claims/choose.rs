//! The values of a dashboard's variables, as they are when it is opened.

use std::collections::BTreeSet;

use regex::Regex;

use super::dashboard::{ALL, Dashboard, Variable};
use super::template::{Place, Value, Values, expand};
use super::{Artifacts, Language};
use crate::check::Scene;

/// All variables of a dashboard; `Err` says which has no value.
pub(super) async fn all(
    scene: &Scene,
    dashboard: &Dashboard,
) -> anyhow::Result<Result<Values, String>> {
    let mut values = Values::new();
    for variable in &dashboard.variables {
        let options = match options(scene, variable, &values).await? {
            Ok(options) => options,
            Err(state) => return Ok(Err(format!("variable {}: {state}", variable.name))),
        };
        match chosen(variable, &options) {
            Some(value) => values.insert(variable.name.clone(), value),
            None => return Ok(Err(format!("variable {} has no value", variable.name))),
        };
    }
    Ok(Ok(values))
}

/// What can be chosen, by the variable's own query; earlier variables may stand in it.
pub(super) async fn options(
    scene: &Scene,
    variable: &Variable,
    earlier: &Values,
) -> anyhow::Result<Result<Vec<String>, String>> {
    let found: Vec<String> = match variable.kind.as_str() {
        "query" => match queried(scene, variable, earlier).await? {
            Ok(found) => found.into_iter().collect(),
            Err(state) => return Ok(Err(state)),
        },
        "datasource" => {
            let wanted = variable.query.text.as_str();
            of_kind(&scene.artifacts, wanted)
        }
        "textbox" if variable.options.is_empty() => variable.current.clone(),
        _ => variable.options.clone(),
    };
    Ok(filtered(found, &variable.regex))
}

fn of_kind(artifacts: &Artifacts, kind: &str) -> Vec<String> {
    let sources = artifacts.sources.iter();
    sources
        .filter(|source| source.kind == kind)
        .map(|source| source.uid.clone())
        .collect()
}

async fn queried(
    scene: &Scene,
    variable: &Variable,
    earlier: &Values,
) -> anyhow::Result<Result<BTreeSet<String>, String>> {
    let source = match scene.artifacts.source(&variable.query.source) {
        Ok(source) => source,
        Err(state) => return Ok(Err(state)),
    };
    let text = match expand(&variable.query.text, earlier, Place::Query) {
        Ok(text) => text,
        Err(state) => return Ok(Err(state)),
    };
    let since = scene.driven.started;
    let (label, selector) = label_values(&text).unwrap_or((variable.label.clone(), None));
    if label.is_empty() {
        return Ok(Err(format!("{text:?} is not label_values(…)")));
    }
    Ok(Ok(match Language::of_backend(&source.kind) {
        Some(Language::PromQl) => {
            let selector = selector.as_deref();
            scene
                .prometheus
                .label_values(&label, selector, since)
                .await?
        }
        Some(Language::LogQl) => {
            let selector = selector.as_deref();
            scene.loki.label_values(&label, selector, since).await?
        }
        _ => {
            return Ok(Err(format!(
                "nobody here asks a {:?} for values",
                source.kind
            )));
        }
    }))
}

/// `label_values(label)` and `label_values(selector, label)`.
fn label_values(text: &str) -> Option<(String, Option<String>)> {
    let inner = text
        .trim()
        .strip_prefix("label_values(")?
        .strip_suffix(')')?;
    Some(match inner.rsplit_once(',') {
        Some((selector, label)) if !label.contains(['}', '"']) => {
            (label.trim().to_owned(), Some(selector.trim().to_owned()))
        }
        _ => (inner.trim().to_owned(), None),
    })
}

/// A variable's pattern keeps what it matches, or the part in its first group.
fn filtered(options: Vec<String>, pattern: &str) -> Result<Vec<String>, String> {
    if pattern.is_empty() {
        return Ok(options);
    }
    let pattern = pattern.trim_start_matches('/').trim_end_matches('/');
    let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
    let kept = options.iter().filter_map(|option| {
        let found = pattern.captures(option)?;
        let part = found.get(1).or_else(|| found.get(0))?;
        Some(part.as_str().to_owned())
    });
    Ok(kept.collect())
}

/// What Grafana has chosen when the dashboard opens.
pub(super) fn chosen(variable: &Variable, options: &[String]) -> Option<Value> {
    let is_all = variable.current.iter().any(|value| value == ALL)
        || (variable.current.is_empty() && variable.has_all);
    if is_all {
        return Some(match &variable.all_value {
            Some(all) if !all.is_empty() => Value::One(all.clone()),
            _ if options.is_empty() => return None,
            _ => Value::Chosen(options.to_vec()),
        });
    }
    let current = if variable.current.is_empty() {
        vec![options.first()?.clone()]
    } else {
        variable.current.clone()
    };
    Some(if variable.is_multi || variable.has_all {
        Value::Chosen(current)
    } else {
        Value::One(current.join(","))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn variable(json: &serde_json::Value) -> Variable {
        let dashboard =
            json!({"uid": "a", "time": {"from": "now-1h"}, "templating": {"list": [json]}});
        Dashboard::parse("a.json", &dashboard)
            .unwrap()
            .variables
            .remove(0)
    }

    fn both() -> Vec<String> {
        vec!["gateway".to_owned(), "order".to_owned()]
    }

    #[test]
    fn all_is_its_own_value_or_every_option() {
        let all = json!({"type": "query", "includeAll": true, "current": {"value": ["$__all"]}});
        assert_eq!(
            chosen(&variable(&all), &both()),
            Some(Value::Chosen(both()))
        );
        let mut with = all;
        with["allValue"] = ".+".into();
        assert_eq!(chosen(&variable(&with), &both()), Some(Value::one(".+")));
    }

    #[test]
    fn without_a_choice_the_first_option_is_chosen_and_none_is_told() {
        let plain = json!({"type": "query", "current": {}});
        assert_eq!(
            chosen(&variable(&plain), &both()),
            Some(Value::one("gateway"))
        );
        assert_eq!(chosen(&variable(&plain), &[]), None);
    }

    #[test]
    fn a_query_for_values_has_a_selector_or_not() {
        assert_eq!(
            label_values("label_values(lane)"),
            Some(("lane".to_owned(), None))
        );
        assert_eq!(
            label_values(r#"label_values(up{job=~"a,b"}, service_name)"#),
            Some((
                "service_name".to_owned(),
                Some(r#"up{job=~"a,b"}"#.to_owned())
            ))
        );
    }

    #[test]
    fn a_pattern_keeps_what_it_matches_and_the_part_it_marks() {
        assert_eq!(filtered(both(), "/^o(.*)/").unwrap(), ["rder"]);
        assert!(filtered(both(), "/(/").is_err());
    }
}
