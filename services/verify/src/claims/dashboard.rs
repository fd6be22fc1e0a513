//! Dashboards as Grafana's JSON model has them: panels, their queries, variables, links.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::duration;

#[derive(Clone, Debug)]
pub struct Dashboard {
    /// `home.json`.
    pub file: String,
    pub uid: String,
    pub title: String,
    /// How far back it looks when it is opened.
    pub range: Duration,
    pub variables: Vec<Variable>,
    pub panels: Vec<Panel>,
    pub links: Vec<Link>,
}

#[derive(Clone, Debug)]
pub struct Panel {
    pub title: String,
    /// `timeseries`, `stat`, `logs`.
    pub kind: String,
    pub description: String,
    pub unit: String,
    /// What it says while it has nothing.
    pub no_value: String,
    pub targets: Vec<Query>,
    pub links: Vec<Link>,
    /// Of a text panel.
    pub text: String,
}

/// One question to a data source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Uid of the data source; empty for the default one.
    pub source: String,
    /// `expr` or `query`.
    pub text: String,
    /// Tempo's own kinds: `traceql`, `serviceMap`.
    pub kind: String,
    pub is_instant: bool,
    /// Shows the traces behind its numbers as dots.
    pub has_exemplars: bool,
    /// A scrape interval of its own.
    pub interval: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct Link {
    pub title: String,
    /// The column it stands in, if it does.
    pub field: String,
    pub to: To,
}

#[derive(Clone, Debug)]
pub enum To {
    Url(String),
    /// Every dashboard with one of these tags, or all.
    Tagged(Vec<String>),
    /// A query that is opened beside.
    Query(Query),
}

#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    /// `query`, `custom`, `constant`, `textbox`, `interval`, `datasource`.
    pub kind: String,
    pub query: Query,
    /// The label of a query that Loki's and Tempo's editors keep apart from their text.
    pub label: String,
    pub regex: String,
    pub options: Vec<String>,
    pub is_multi: bool,
    pub has_all: bool,
    pub all_value: Option<String>,
    /// What is chosen when the dashboard is opened; empty for Grafana's own choice.
    pub current: Vec<String>,
}

/// The choice of all options.
pub(super) const ALL: &str = "$__all";

/// Kinds that show numbers and therefore must say in what.
const WITH_UNIT: [&str; 7] = [
    "timeseries",
    "stat",
    "gauge",
    "bargauge",
    "barchart",
    "histogram",
    "heatmap",
];

// === impl Dashboard ===

impl Dashboard {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let file = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let json = serde_json::from_str(&text)
            .with_context(|| format!("{} is no JSON", path.display()))?;
        Self::parse(&file.unwrap_or_default(), &json)
            .with_context(|| format!("reading {}", path.display()))
    }

    pub fn parse(file: &str, json: &Value) -> anyhow::Result<Self> {
        let uid = text(json, "uid");
        ensure!(!uid.is_empty(), "the dashboard has no uid");
        let mut panels = Vec::new();
        for panel in list(json, "panels") {
            // A closed row keeps its panels inside.
            panels.extend(list(panel, "panels").iter().map(Panel::parse));
            if panel["type"] != "row" {
                panels.push(Panel::parse(panel));
            }
        }
        let range = json["time"]["from"]
            .as_str()
            .and_then(|from| from.strip_prefix("now-"))
            .and_then(duration)
            .context("time.from is not of the form now-15m")?;
        Ok(Self {
            file: file.to_owned(),
            title: text(json, "title"),
            range,
            variables: list(&json["templating"], "list")
                .iter()
                .map(Variable::parse)
                .collect(),
            panels,
            links: list(json, "links").iter().map(Link::parse).collect(),
            uid,
        })
    }
}

// === impl Panel ===

impl Panel {
    fn parse(json: &Value) -> Self {
        let defaults = &json["fieldConfig"]["defaults"];
        let source = source(json);
        let targets = list(json, "targets")
            .iter()
            .map(|target| Query::parse(target, &source))
            .collect();
        let mut links: Vec<Link> = list(json, "links").iter().map(Link::parse).collect();
        links.extend(list(defaults, "links").iter().map(Link::parse));
        for item in list(&json["fieldConfig"], "overrides") {
            let properties = list(item, "properties").iter();
            for property in properties.filter(|property| property["id"] == "links") {
                links.extend(list(property, "value").iter().map(|link| Link {
                    field: text(&item["matcher"], "options"),
                    ..Link::parse(link)
                }));
            }
        }
        Self {
            title: text(json, "title"),
            kind: text(json, "type"),
            description: text(json, "description"),
            unit: text(defaults, "unit"),
            no_value: text(defaults, "noValue"),
            targets,
            links,
            text: text(&json["options"], "content"),
        }
    }

    /// It shows what fires, which is nothing while all is well.
    pub fn is_of_alerts(&self) -> bool {
        self.kind == "alertlist" || self.targets.iter().any(Query::is_of_alerts)
    }

    /// What every panel must tell besides its numbers; the first thing that is missing.
    pub fn missing(&self) -> Option<&'static str> {
        let shows_numbers = WITH_UNIT.contains(&self.kind.as_str());
        if self.description.is_empty() {
            Some("a description")
        } else if shows_numbers && self.unit.is_empty() {
            Some("a unit")
        } else if shows_numbers && self.no_value.is_empty() {
            Some("what it says before there is data (noValue)")
        } else if !self.targets.is_empty() && self.links.is_empty() {
            Some("a link to the next step")
        } else {
            None
        }
    }
}

// === impl Query ===

impl Query {
    /// It has an answer only while something is wrong.
    pub fn is_of_alerts(&self) -> bool {
        self.text.contains("ALERTS{")
    }

    pub fn parse(json: &Value, default: &str) -> Self {
        let own = source(json);
        let expression = ["expr", "query", "serviceMapQuery"]
            .iter()
            .find_map(|key| json[key].as_str().filter(|text| !text.is_empty()));
        Self {
            source: if own.is_empty() {
                default.to_owned()
            } else {
                own
            },
            text: expression.unwrap_or_default().to_owned(),
            kind: text(json, "queryType"),
            has_exemplars: json["exemplar"] == true,
            is_instant: json["instant"] == true || json["queryType"] == "instant",
            interval: json["interval"].as_str().and_then(duration),
        }
    }
}

// === impl Link ===

impl Link {
    fn parse(json: &Value) -> Self {
        let internal = &json["internal"];
        let to = if internal.is_object() {
            To::Query(Query::parse(
                &internal["query"],
                &text(internal, "datasourceUid"),
            ))
        } else if json["type"] == "dashboards" {
            let tags = list(json, "tags").iter();
            To::Tagged(tags.filter_map(Value::as_str).map(str::to_owned).collect())
        } else {
            To::Url(text(json, "url"))
        };
        Self {
            title: text(json, "title"),
            field: String::new(),
            to,
        }
    }
}

// === impl Variable ===

impl Variable {
    fn parse(json: &Value) -> Self {
        let source = source(json);
        let query = match &json["query"] {
            Value::String(query) => Query {
                source,
                text: query.clone(),
                kind: String::new(),
                is_instant: true,
                has_exemplars: false,
                interval: None,
            },
            other => Query::parse(other, &source),
        };
        let chosen = match &json["current"]["value"] {
            Value::String(one) if !one.is_empty() => vec![one.clone()],
            Value::Array(all) => all
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        };
        Self {
            name: text(json, "name"),
            kind: text(json, "type"),
            label: text(&json["query"], "label"),
            regex: text(json, "regex"),
            options: options(json),
            is_multi: json["multi"] == true,
            has_all: json["includeAll"] == true,
            all_value: json["allValue"].as_str().map(str::to_owned),
            current: chosen,
            query,
        }
    }
}

/// Those of a custom variable; `text : value` has a value of its own.
fn options(json: &Value) -> Vec<String> {
    if json["type"] == "query" {
        return Vec::new();
    }
    let written = json["query"].as_str().unwrap_or_default();
    written
        .split(',')
        .map(|option| option.rsplit_once(" : ").map_or(option, |(_, value)| value))
        .map(|option| option.trim().to_owned())
        .filter(|option| !option.is_empty())
        .collect()
}

/// The uid of `datasource`, in its present form and the older one.
fn source(json: &Value) -> String {
    match &json["datasource"] {
        Value::String(name) => name.clone(),
        other => text(other, "uid"),
    }
}

fn text(json: &Value, key: &str) -> String {
    json[key].as_str().unwrap_or_default().to_owned()
}

fn list<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json[key].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dashboard() -> Dashboard {
        let panel = json!({"type": "timeseries", "title": "Requests", "description": "How many?", "datasource": {"uid": "prometheus"},
            "fieldConfig": {"defaults": {"unit": "reqps", "noValue": "waiting", "links": [{"title": "Service", "url": "/d/shop-service"}]},
                "overrides": [{"properties": [{"id": "links", "value": [{"title": "Trace", "internal":
                    {"datasourceUid": "tempo", "query": {"query": "${__value.raw}", "queryType": "traceql"}}}]}]}]},
            "targets": [{"expr": "up", "interval": "10s"}, {"expr": "x", "datasource": {"uid": "loki"}, "queryType": "instant"}]});
        let json = json!({"uid": "shop-home", "title": "Home", "time": {"from": "now-30m", "to": "now"},
            "templating": {"list": [
                {"name": "service", "type": "query", "datasource": {"uid": "prometheus"}, "includeAll": true, "multi": true,
                 "query": {"query": "label_values(up, service_name)", "refId": "a"}, "current": {"value": ["$__all"]}},
                {"name": "step", "type": "custom", "query": "1m, five : 5m", "current": {}}]},
            "panels": [{"type": "row", "panels": [panel]}, {"type": "text", "options": {"content": "[a](b)"}}],
            "links": [{"type": "dashboards", "tags": ["shop"]}]});
        Dashboard::parse("home.json", &json).unwrap()
    }

    #[test]
    fn panels_in_rows_have_their_queries_and_links() {
        let dashboard = dashboard();
        assert_eq!(dashboard.panels.len(), 2);
        let panel = &dashboard.panels[0];
        assert_eq!(panel.targets[0].source, "prometheus");
        assert_eq!(panel.targets[0].interval, Some(Duration::from_secs(10)));
        assert_eq!(panel.targets[1].source, "loki");
        assert!(panel.targets[1].is_instant);
        assert!(matches!(&panel.links[0].to, To::Url(url) if url == "/d/shop-service"));
        assert!(matches!(&panel.links[1].to, To::Query(query) if query.source == "tempo"));
        assert_eq!(dashboard.panels[1].text, "[a](b)");
        assert!(matches!(&dashboard.links[0].to, To::Tagged(tags) if tags == &["shop"]));
        assert_eq!(dashboard.range, Duration::from_secs(1800));
    }

    #[test]
    fn variables_know_their_query_their_options_and_what_is_chosen() {
        let variables = dashboard().variables;
        assert_eq!(variables[0].query.text, "label_values(up, service_name)");
        assert_eq!(variables[0].current, [ALL]);
        assert!(variables[0].has_all && variables[0].options.is_empty());
        assert_eq!(variables[1].options, ["1m", "5m"]);
    }

    #[test]
    fn a_panel_that_explains_nothing_says_what_is_missing() {
        let mut panel = dashboard().panels.remove(0);
        assert_eq!(panel.missing(), None);
        panel.unit.clear();
        assert_eq!(panel.missing(), Some("a unit"));
        panel.description.clear();
        assert_eq!(panel.missing(), Some("a description"));
    }
}
