//! Prometheus' rule files, and the test files in which `promtool` runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use yaml_serde::Value;

/// Where the rules are, from the root of the repository.
pub const FOLDER: &str = "grafana/prometheus/rules";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub name: String,
    pub promql: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    /// `alerts.yaml`.
    pub file: String,
    pub name: String,
    pub promql: String,
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub recordings: Vec<Recording>,
    pub alerts: Vec<Alert>,
}

/// The alerts with a test in which they fire, and with one in which they do not.
#[derive(Clone, Debug, Default)]
pub struct Cases {
    pub fires: BTreeSet<String>,
    pub quiet: BTreeSet<String>,
}

// === impl Rules ===

impl Rules {
    /// The rules of a working copy.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let mut rules = Self::default();
        for path in super::files::files(&root.join(FOLDER), "yaml")? {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            rules.add(&file, &mut document(&path)?);
        }
        Ok(rules)
    }

    fn add(&mut self, file: &str, document: &mut Value) {
        for rule in each(document) {
            let promql = word(rule, "expr");
            if let Some(name) = rule["alert"].as_str() {
                self.alerts.push(Alert {
                    file: file.to_owned(),
                    name: name.to_owned(),
                    promql,
                    annotations: words(&rule["annotations"]),
                });
            } else {
                self.recordings.push(Recording {
                    name: word(rule, "record"),
                    promql,
                });
            }
        }
    }
}

// === impl Alert ===

impl Alert {
    pub fn annotation(&self, name: &str) -> &str {
        self.annotations.get(name).map_or("", String::as_str)
    }
}

// === impl Cases ===

impl Cases {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Ok(Self::of(&document(path)?))
    }

    pub fn names(&self, alert: &str) -> bool {
        self.fires.contains(alert) || self.quiet.contains(alert)
    }

    fn of(document: &Value) -> Self {
        let mut cases = Self::default();
        let tests = document["tests"].as_sequence().into_iter().flatten();
        let all =
            tests.flat_map(|test| test["alert_rule_test"].as_sequence().into_iter().flatten());
        for case in all {
            let expected = case["exp_alerts"].as_sequence();
            let fires = expected.is_some_and(|alerts| !alerts.is_empty());
            let of = if fires {
                &mut cases.fires
            } else {
                &mut cases.quiet
            };
            of.insert(word(case, "alertname"));
        }
        cases
    }
}

fn document(path: &Path) -> anyhow::Result<Value> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    yaml_serde::from_str(&text).with_context(|| format!("{} is not YAML", path.display()))
}

/// Every rule of a rule file, to be read or changed.
fn each(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let groups = document.get_mut("groups").and_then(Value::as_sequence_mut);
    let groups = groups.into_iter().flatten();
    groups
        .filter_map(|group| group.get_mut("rules").and_then(Value::as_sequence_mut))
        .flatten()
}

fn words(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_mapping().into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned())))
        .collect()
}

fn word(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_alerts_and_their_tests_are_read() {
        let text = "groups: [{name: a, rules: [{record: b, expr: up}, {alert: Down, expr: up == 0, annotations: {runbook: docs/a.md}}]}]";
        let mut rules = Rules::default();
        rules.add("a.yaml", &mut yaml_serde::from_str(text).unwrap());
        assert_eq!(rules.recordings[0].name, "b");
        assert_eq!(rules.alerts[0].promql, "up == 0");
        assert_eq!(rules.alerts[0].annotation("runbook"), "docs/a.md");
        assert_eq!(rules.alerts[0].annotation("summary"), "");

        let text = "tests: [{alert_rule_test: [{alertname: A, exp_alerts: [{exp_labels: {a: b}}]}, {alertname: B}, {alertname: A, exp_alerts: []}]}]";
        let cases = Cases::of(&yaml_serde::from_str(text).unwrap());
        assert!(cases.fires.contains("A") && cases.quiet.contains("A"));
        assert!(!cases.fires.contains("B") && cases.quiet.contains("B"));
    }
}
