//! Recording rules, alerts, and the cases that `promtool` proves them with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use yaml_serde::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub file: String,
    pub name: String,
    pub promql: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
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

/// For which alerts there is a case in which they fire, and one in which they stay quiet.
#[derive(Clone, Debug, Default)]
pub struct Cases {
    pub fires: BTreeSet<String>,
    pub quiet: BTreeSet<String>,
}

// === impl Rules ===

impl Rules {
    pub fn read(&mut self, path: &Path) -> anyhow::Result<()> {
        let (file, document) = document(path)?;
        self.add(&file, &document);
        Ok(())
    }

    fn add(&mut self, file: &str, document: &Value) {
        let rules = list(document, "groups").iter();
        for rule in rules.flat_map(|group| list(group, "rules")) {
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
                    file: file.to_owned(),
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
    pub fn read(&mut self, path: &Path) -> anyhow::Result<()> {
        let (_, document) = document(path)?;
        self.add(&document);
        Ok(())
    }

    pub fn names(&self, alert: &str) -> bool {
        self.fires.contains(alert) || self.quiet.contains(alert)
    }

    fn add(&mut self, document: &Value) {
        let cases = list(document, "tests").iter();
        for case in cases.flat_map(|test| list(test, "alert_rule_test")) {
            let name = word(case, "alertname");
            if list(case, "exp_alerts").is_empty() {
                self.quiet.insert(name);
            } else {
                self.fires.insert(name);
            }
        }
    }
}

fn document(path: &Path) -> anyhow::Result<(String, Value)> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let document =
        yaml_serde::from_str(&text).with_context(|| format!("{} is no YAML", path.display()))?;
    let file = path.file_name().unwrap_or_default();
    Ok((file.to_string_lossy().into_owned(), document))
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

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_sequence().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_and_alerts_are_told_apart() {
        let text = "groups: [{name: a, rules: [{record: b, expr: up}, {alert: Down, expr: up == 0, annotations: {runbook: docs/a.md}}]}]";
        let mut rules = Rules::default();
        rules.add("a.yaml", &yaml_serde::from_str(text).unwrap());
        assert_eq!(rules.recordings[0].name, "b");
        assert_eq!(rules.alerts[0].promql, "up == 0");
        assert_eq!(rules.alerts[0].annotation("runbook"), "docs/a.md");
        assert_eq!(rules.alerts[0].annotation("summary"), "");
    }

    #[test]
    fn a_case_without_expected_alerts_is_a_quiet_one() {
        let text = "tests: [{alert_rule_test: [{alertname: A, exp_alerts: [{exp_labels: {a: b}}]}, {alertname: B}, {alertname: A, exp_alerts: []}]}]";
        let mut cases = Cases::default();
        cases.add(&yaml_serde::from_str(text).unwrap());
        assert!(cases.fires.contains("A") && cases.quiet.contains("A"));
        assert!(!cases.fires.contains("B") && cases.quiet.contains("B"));
    }
}
