//! Grafana's provisioned data sources, and the links they make between signals.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use regex::{Captures, Regex};
use yaml_serde::Value;

use super::dashboard::Query;
use super::{Language, Unmet, Verdict};

#[derive(Clone, Debug, Default)]
pub struct Source {
    pub uid: String,
    /// `prometheus`, `loki`, `tempo`.
    pub kind: String,
    pub is_default: bool,
    pub links: Vec<SourceLink>,
    /// Uid of the source that has the service graph's metrics.
    pub service_map: Option<String>,
}

/// A link that Grafana makes for every line, exemplar or span of a source.
#[derive(Clone, Debug)]
pub struct SourceLink {
    /// Of its row.
    pub name: String,
    /// Uid of the source that it opens.
    pub target: String,
    pub from: From,
}

#[derive(Clone, Debug)]
pub enum From {
    /// The label of a log line whose name `matcher` matches.
    Line { matcher: String, url: String },
    /// The label of an exemplar.
    Exemplar(String),
    /// A span.
    Span {
        /// The field of the trace view that has the link; empty where every span has it.
        field: String,
        /// Attributes, and the labels that they become.
        tags: Vec<(String, String)>,
        query: Query,
    },
    /// A setting that no shipped file has.
    Unread(&'static str),
}

// === impl Source ===

impl Source {
    pub(super) fn language(&self) -> Verdict<Language> {
        Language::of_backend(&self.kind)
            .ok_or_else(|| Unmet::unread(format!("a data source of type {:?}", self.kind)))
    }

    /// The sources of one file, after Grafana's expansion of the environment.
    pub fn read(path: &Path, variables: &BTreeMap<String, String>) -> anyhow::Result<Vec<Self>> {
        let context = || format!("reading {}", path.display());
        let text = std::fs::read_to_string(path).with_context(context)?;
        Self::parse(&text, variables).with_context(context)
    }

    pub fn parse(text: &str, variables: &BTreeMap<String, String>) -> anyhow::Result<Vec<Self>> {
        // Written again without comments, which may contain a dollar.
        let plain = yaml_serde::to_string(&yaml_serde::from_str::<Value>(text)?)?;
        let document: Value = yaml_serde::from_str(&expanded(&plain, variables)?)?;
        list(&document, "datasources")
            .iter()
            .map(Self::of)
            .collect()
    }

    fn of(value: &Value) -> anyhow::Result<Self> {
        let data = &value["jsonData"];
        let uid = word(value, "uid");
        let mut links = Vec::new();
        let mut add = |name: String, target: &Value, from| {
            links.push(SourceLink {
                name: format!("{uid}: {name}"),
                target: target.as_str().unwrap_or_default().to_owned(),
                from,
            });
        };
        for field in list(data, "derivedFields") {
            let name = format!(
                "a log line of either lane → its trace ({})",
                word(field, "name")
            );
            let from = match field["matcherType"].as_str() {
                Some("label") => From::Line {
                    matcher: word(field, "matcherRegex"),
                    url: word(field, "url"),
                },
                _ => From::Unread("a derived field that searches the text"),
            };
            add(name, &field["datasourceUid"], from);
        }
        for exemplar in list(data, "exemplarTraceIdDestinations") {
            let label = word(exemplar, "name");
            let name = format!("an exemplar → its trace ({label})");
            add(name, &exemplar["datasourceUid"], From::Exemplar(label));
        }
        let to_logs = &data["tracesToLogsV2"];
        if to_logs.is_mapping() {
            let from = match to_logs["customQuery"].as_bool() {
                Some(true) => of_span(to_logs, word(to_logs, "query")),
                _ => From::Unread("filterByTraceID (a link to logs without a query)"),
            };
            add(
                "a span → its log lines".to_owned(),
                &to_logs["datasourceUid"],
                from,
            );
        }
        let to_metrics = &data["tracesToMetrics"];
        for query in list(to_metrics, "queries") {
            let name = format!("a span → {}", word(query, "name"));
            add(
                name,
                &to_metrics["datasourceUid"],
                of_span(to_metrics, word(query, "query")),
            );
        }
        for item in list(value, "correlations") {
            let config = &item["config"];
            let from = if list(config, "transformations").is_empty() {
                let target = serde_json::to_value(&config["target"]).context("correlation")?;
                From::Span {
                    field: word(config, "field"),
                    tags: Vec::new(),
                    query: Query::parse(&target, ""),
                }
            } else {
                From::Unread("a correlation with transformations")
            };
            add(
                format!("correlation {}", word(item, "label")),
                &item["targetUID"],
                from,
            );
        }
        let service_map = data["serviceMap"]["datasourceUid"].as_str();
        Ok(Self {
            kind: word(value, "type"),
            is_default: value["isDefault"].as_bool() == Some(true),
            links,
            service_map: service_map.map(str::to_owned),
            uid,
        })
    }
}

fn of_span(value: &Value, text: String) -> From {
    let tag = |tag: &Value| {
        let key = word(tag, "key");
        let label = tag["value"].as_str().filter(|label| !label.is_empty());
        let label = label.map_or_else(|| key.replace('.', "_"), str::to_owned);
        (key, label)
    };
    From::Span {
        field: String::new(),
        tags: list(value, "tags").iter().map(tag).collect(),
        query: Query {
            text,
            ..Query::default()
        },
    }
}

/// `$NAME` and `${NAME}` are variables of the environment, `$$` is a dollar for Grafana itself.
fn expanded(text: &str, variables: &BTreeMap<String, String>) -> anyhow::Result<String> {
    let mut unknown = None;
    let reference = Regex::new(r"\$(?:\$|\{([^}]*)\}|(\w*))")?;
    let text = reference.replace_all(text, |found: &Captures<'_>| {
        let Some(name) = found.get(1).or(found.get(2)) else {
            return "$".to_owned();
        };
        variables.get(name.as_str()).cloned().unwrap_or_else(|| {
            unknown = Some(name.as_str().to_owned());
            String::new()
        })
    });
    match unknown {
        Some(name) => bail!("Grafana would leave ${{{name}}} empty, which .env does not have"),
        None => Ok(text.into_owned()),
    }
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

    const LOKI: &str = "
# $HOME
datasources:
  - uid: loki
    type: loki
    jsonData:
      serviceMap: {datasourceUid: 'at ${INTERVAL}ms'}
      derivedFields:
        - {name: trace_id, matcherType: label, matcherRegex: trace_id, url: '$${__value.raw}', datasourceUid: tempo}
      tracesToMetrics: {queries: [{name: Rate, query: 'x{$$__tags}'}], tags: [{key: service.name}]}
";

    fn parse(text: &str) -> anyhow::Result<Source> {
        let variables = BTreeMap::from([("INTERVAL".to_owned(), "5000".to_owned())]);
        Ok(Source::parse(text, &variables)?.remove(0))
    }

    #[test]
    fn the_environment_is_expanded_and_doubled_dollars_are_grafanas() {
        let loki = parse(LOKI).unwrap();
        assert_eq!(loki.service_map.as_deref(), Some("at 5000ms"));
        let From::Line { url, .. } = &loki.links[0].from else {
            panic!("{loki:?}");
        };
        assert_eq!(url, "${__value.raw}");
        let From::Span { tags, query, .. } = &loki.links[1].from else {
            panic!("{loki:?}");
        };
        assert_eq!(
            (tags[0].1.as_str(), query.text.as_str()),
            ("service_name", "x{$__tags}")
        );
        assert_eq!(loki.links[1].name, "loki: a span → Rate");
    }

    #[test]
    fn a_variable_that_no_one_sets_is_named() {
        for (right, wrong) in [
            ("${INTERVAL}", "${INTREVAL}"),
            ("$${__value.raw}", "${__value.raw}"),
        ] {
            let error = format!("{:#}", parse(&LOKI.replace(right, wrong)).unwrap_err());
            assert!(error.contains("Grafana would leave ${"), "{error}");
        }
    }
}
