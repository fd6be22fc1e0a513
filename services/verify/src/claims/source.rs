//! Grafana's provisioned data sources and the links they make between signals.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use yaml_serde::Value;

use super::dashboard::Query;
use super::duration;

#[derive(Clone, Debug, Default)]
pub struct Source {
    pub uid: String,
    /// `prometheus`, `loki`, `tempo`.
    pub kind: String,
    pub url: String,
    pub is_default: bool,
    /// `timeInterval`.
    pub interval: Option<Duration>,
    pub derived: Vec<Derived>,
    /// Of an exemplar's label to a trace.
    pub exemplars: Vec<Exemplar>,
    pub to_logs: Option<Onward>,
    pub to_metrics: Option<Onward>,
    /// Uid of the source that has the service graph's metrics.
    pub service_map: Option<String>,
    pub correlations: Vec<Correlation>,
}

/// From a log line, by a label or by a search in its text.
#[derive(Clone, Debug)]
pub struct Derived {
    pub name: String,
    pub is_label: bool,
    pub matcher: String,
    pub url: String,
    pub target: String,
}

#[derive(Clone, Debug)]
pub struct Exemplar {
    pub label: String,
    pub target: String,
}

/// From a span to logs or metrics.
#[derive(Clone, Debug, Default)]
pub struct Onward {
    pub target: String,
    /// Attribute of the span, and the label it becomes.
    pub tags: Vec<(String, String)>,
    /// Name and text; one without a name for logs.
    pub queries: Vec<(String, String)>,
    pub filter_by_trace: bool,
    pub filter_by_span: bool,
}

/// A link of any source to any other.
#[derive(Clone, Debug)]
pub struct Correlation {
    pub label: String,
    pub target: String,
    /// The field that the link stands on.
    pub field: String,
    pub query: Query,
    /// Name of a variable, and the expression that takes it from the field named first.
    pub transformations: Vec<(String, String, String)>,
}

// === impl Source ===

impl Source {
    /// The sources of one file, after Grafana's expansion of the environment.
    pub fn read(path: &Path, variables: &BTreeMap<String, String>) -> anyhow::Result<Vec<Self>> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text, variables).with_context(|| format!("reading {}", path.display()))
    }

    pub fn parse(text: &str, variables: &BTreeMap<String, String>) -> anyhow::Result<Vec<Self>> {
        let document: Value = yaml_serde::from_str(text)?;
        let expand = |value: &Value| expanded(value, variables);
        let sources = list(&document, "datasources").iter();
        sources
            .map(|source| Self::of(&expand(source)?))
            .collect::<anyhow::Result<_>>()
    }

    fn of(value: &Value) -> anyhow::Result<Self> {
        let data = &value["jsonData"];
        Ok(Self {
            uid: word(value, "uid"),
            kind: word(value, "type"),
            url: word(value, "url"),
            is_default: value["isDefault"].as_bool() == Some(true),
            interval: data["timeInterval"].as_str().and_then(duration),
            derived: list(data, "derivedFields").iter().map(derived).collect(),
            exemplars: list(data, "exemplarTraceIdDestinations")
                .iter()
                .map(|item| Exemplar {
                    label: word(item, "name"),
                    target: word(item, "datasourceUid"),
                })
                .collect(),
            to_logs: data["tracesToLogsV2"]
                .is_mapping()
                .then(|| onward(&data["tracesToLogsV2"])),
            to_metrics: data["tracesToMetrics"]
                .is_mapping()
                .then(|| onward(&data["tracesToMetrics"])),
            service_map: data["serviceMap"]["datasourceUid"]
                .as_str()
                .map(str::to_owned),
            correlations: list(value, "correlations")
                .iter()
                .map(correlation)
                .collect::<anyhow::Result<_>>()?,
        })
    }
}

fn derived(value: &Value) -> Derived {
    Derived {
        name: word(value, "name"),
        is_label: value["matcherType"].as_str() == Some("label"),
        matcher: word(value, "matcherRegex"),
        url: word(value, "url"),
        target: word(value, "datasourceUid"),
    }
}

fn onward(value: &Value) -> Onward {
    let tag = |tag: &Value| {
        let key = word(tag, "key");
        let label = tag["value"].as_str().filter(|label| !label.is_empty());
        let label = label.map_or_else(|| key.replace('.', "_"), str::to_owned);
        (key, label)
    };
    let mut queries: Vec<(String, String)> = list(value, "queries")
        .iter()
        .map(|query| (word(query, "name"), word(query, "query")))
        .collect();
    if value["customQuery"].as_bool() == Some(true) {
        queries.push((String::new(), word(value, "query")));
    }
    Onward {
        target: word(value, "datasourceUid"),
        tags: list(value, "tags").iter().map(tag).collect(),
        queries,
        filter_by_trace: value["filterByTraceID"].as_bool() == Some(true),
        filter_by_span: value["filterBySpanID"].as_bool() == Some(true),
    }
}

fn correlation(value: &Value) -> anyhow::Result<Correlation> {
    let config = &value["config"];
    let target = word(value, "targetUID");
    let query = serde_json::to_value(&config["target"]).context("a correlation's target")?;
    Ok(Correlation {
        label: word(value, "label"),
        field: word(config, "field"),
        query: Query::parse(&query, &target),
        target,
        transformations: list(config, "transformations")
            .iter()
            .map(|item| {
                (
                    word(item, "mapValue"),
                    word(item, "field"),
                    word(item, "expression"),
                )
            })
            .collect(),
    })
}

/// `$NAME` and `${NAME}` are the environment's, `$$` is a dollar that Grafana itself shall see.
fn expanded(value: &Value, variables: &BTreeMap<String, String>) -> anyhow::Result<Value> {
    Ok(match value {
        Value::String(text) => Value::String(expanded_text(text, variables)?),
        Value::Sequence(items) => Value::Sequence(
            items
                .iter()
                .map(|item| expanded(item, variables))
                .collect::<anyhow::Result<_>>()?,
        ),
        Value::Mapping(items) => Value::Mapping(
            items
                .iter()
                .map(|(key, item)| Ok((key.clone(), expanded(item, variables)?)))
                .collect::<anyhow::Result<_>>()?,
        ),
        other => other.clone(),
    })
}

fn expanded_text(text: &str, variables: &BTreeMap<String, String>) -> anyhow::Result<String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
            continue;
        }
        let (name, after) = match rest.strip_prefix('{') {
            Some(inner) => inner.split_once('}').context("${ is not closed")?,
            None => {
                let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
                rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()))
            }
        };
        let Some(value) = variables.get(name) else {
            bail!("{text:?}: Grafana would put nothing for ${{{name}}}, which .env does not have");
        };
        result.push_str(value);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
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

    fn variables() -> BTreeMap<String, String> {
        BTreeMap::from([("PORT".to_owned(), "3100".to_owned())])
    }

    const LOKI: &str = "
datasources:
  - uid: loki
    type: loki
    url: http://a:${PORT}
    jsonData:
      timeInterval: 5000ms
      derivedFields:
        - {name: trace_id, matcherType: label, matcherRegex: trace_id, url: '$${__value.raw}', datasourceUid: tempo}
    correlations:
      - targetUID: loki
        label: the file lane
        config:
          field: traceID
          target: {expr: '{lane=\"file\"} | trace_id=\"$${traceID}\"'}
          transformations: [{type: regex, field: traceID, expression: '(.*)', mapValue: id}]
";

    #[test]
    fn a_source_is_read_with_the_environment_and_without_the_doubled_dollars() {
        let sources = Source::parse(LOKI, &variables()).unwrap();
        let loki = &sources[0];
        assert_eq!(loki.url, "http://a:3100");
        assert_eq!(loki.interval, Some(Duration::from_secs(5)));
        assert!(loki.derived[0].is_label);
        assert_eq!(loki.derived[0].url, "${__value.raw}");
        assert_eq!(
            loki.correlations[0].query.text,
            r#"{lane="file"} | trace_id="${traceID}""#
        );
        assert_eq!(loki.correlations[0].transformations[0].0, "id");
    }

    #[test]
    fn a_variable_that_nobody_sets_is_named() {
        let text = LOKI.replace("${PORT}", "${PROT}");
        let error = Source::parse(&text, &variables()).unwrap_err();
        assert!(format!("{error:#}").contains("${PROT}"), "{error:#}");
    }

    #[test]
    fn a_single_dollar_before_a_template_is_the_environments() {
        let text = LOKI.replace("$${__value.raw}", "${__value.raw}");
        assert!(Source::parse(&text, &variables()).is_err());
    }

    #[test]
    fn a_tag_without_a_label_is_written_with_underscores() {
        let value = yaml_serde::from_str("tags: [{key: service.name}]").unwrap();
        assert_eq!(onward(&value).tags[0].1, "service_name");
    }
}
