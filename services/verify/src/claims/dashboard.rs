//! Dashboards in Grafana's JSON model: panels, queries, variables, links.

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
    /// The time range with which it opens.
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
    /// What it shows without data.
    pub no_value: String,
    pub targets: Vec<Query>,
    pub links: Vec<Link>,
}

/// One query to a data source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Uid of the data source, which a variable may stand for; empty for the default one.
    pub source: String,
    pub text: String,
    /// Tempo's query types: `traceql`, `serviceMap`.
    pub kind: String,
    pub is_instant: bool,
    /// The panel shows exemplars.
    pub has_exemplars: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub title: String,
    /// The column that has it, for a link of a table's cells.
    pub field: String,
    pub to: To,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    Url(String),
    /// A menu of the dashboards with certain tags.
    Dashboards,
    /// A sort of link that no shipped file has.
    Unread(&'static str),
}

#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub options: Options,
    pub is_multiple: bool,
    pub has_all: bool,
    pub all_value: Option<String>,
    /// The values with which the dashboard opens; empty for Grafana's own choice.
    pub current: Vec<String>,
}

/// Where the values of a variable come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Options {
    /// `label_values(selector, label)`, the selector optional.
    Label {
        source: String,
        label: String,
        selector: Option<String>,
    },
    /// The uids of the data sources of this type.
    Sources(String),
    /// A sort of variable that no shipped file has.
    Unread(String),
}

/// The choice of all options.
pub(super) const ALL: &str = "$__all";

/// The panels that show numbers and therefore must have a unit.
const WITH_UNIT: &str = "timeseries stat gauge bargauge barchart histogram heatmap";

// === impl Dashboard ===

impl Dashboard {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let context = || format!("reading {}", path.display());
        let text = std::fs::read_to_string(path).with_context(context)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let json = serde_json::from_str(&text).with_context(context)?;
        Self::parse(&file, &json).with_context(context)
    }

    pub fn parse(file: &str, json: &Value) -> anyhow::Result<Self> {
        let uid = text(json, "uid");
        ensure!(!uid.is_empty(), "the dashboard has no uid");
        let mut panels = Vec::new();
        for panel in list(json, "panels") {
            // A collapsed row contains its panels.
            panels.extend(list(panel, "panels").iter().map(Panel::parse));
            if panel["type"] != "row" {
                panels.push(Panel::parse(panel));
            }
        }
        let range = json["time"]["from"].as_str();
        let range = range.and_then(|from| duration(from.strip_prefix("now-")?));
        let variables = list(&json["templating"], "list").iter();
        Ok(Self {
            file: file.to_owned(),
            title: text(json, "title"),
            range: range.context("time.from does not have the form now-15m")?,
            variables: variables.map(Variable::parse).collect(),
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
        let source = source(json).unwrap_or_default();
        let targets = list(json, "targets").iter();
        let written = [list(json, "links"), list(defaults, "links")].concat();
        let mut links: Vec<Link> = written.iter().map(Link::parse).collect();
        for item in list(&json["fieldConfig"], "overrides") {
            let properties = list(item, "properties").iter();
            let values = properties.filter(|property| property["id"] == "links");
            links.extend(
                values
                    .flat_map(|property| list(property, "value"))
                    .map(|link| Link {
                        field: text(&item["matcher"], "options"),
                        ..Link::parse(link)
                    }),
            );
        }
        links.extend(links_of_text(&text(&json["options"], "content")));
        Self {
            title: text(json, "title"),
            kind: text(json, "type"),
            description: text(json, "description"),
            unit: text(defaults, "unit"),
            no_value: text(defaults, "noValue"),
            targets: targets.map(|target| Query::parse(target, source)).collect(),
            links,
        }
    }

    /// It shows the alerts that fire, which may be none.
    pub fn is_of_alerts(&self) -> bool {
        self.kind == "alertlist" || self.targets.iter().any(Query::is_of_alerts)
    }

    /// The first thing that a reader needs and the panel lacks.
    pub fn missing(&self) -> Option<&'static str> {
        let shows_numbers = WITH_UNIT.split(' ').any(|kind| kind == self.kind);
        if self.description.is_empty() {
            Some("a description")
        } else if shows_numbers && self.unit.is_empty() {
            Some("a unit")
        } else if shows_numbers && self.no_value.is_empty() {
            Some("a text for the time without data (noValue)")
        } else if !self.targets.is_empty() && self.links.is_empty() {
            Some("a link to the next step")
        } else {
            None
        }
    }
}

// === impl Query ===

impl Query {
    /// It has results only while an alert fires.
    pub fn is_of_alerts(&self) -> bool {
        self.text.contains("ALERTS{")
    }

    pub fn parse(json: &Value, default: &str) -> Self {
        let text_of = |key: &&str| json[key].as_str().filter(|text| !text.is_empty());
        let expression = ["expr", "query"].iter().find_map(text_of);
        Self {
            source: source(json).unwrap_or(default).to_owned(),
            text: expression.unwrap_or_default().to_owned(),
            kind: text(json, "queryType"),
            has_exemplars: json["exemplar"] == true,
            is_instant: json["instant"] == true || json["queryType"] == "instant",
        }
    }
}

// === impl Link ===

impl Link {
    fn parse(json: &Value) -> Self {
        let to = if json["internal"].is_object() {
            To::Unread("an internal query link")
        } else if json["type"] == "dashboards" {
            To::Dashboards
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

impl Default for To {
    fn default() -> Self {
        Self::Url(String::new())
    }
}

fn up_to(text: &str, ends: [char; 2]) -> String {
    text.split(ends).next().unwrap_or_default().to_owned()
}

/// The links of a text panel, in Markdown.
fn links_of_text(text: &str) -> Vec<Link> {
    let parts: Vec<&str> = text.split("](").collect();
    let mut links: Vec<Link> = parts
        .windows(2)
        .map(|pair| Link {
            title: pair[0].rsplit('[').next().unwrap_or_default().to_owned(),
            field: String::new(),
            to: To::Url(up_to(pair[1], [')', ' '])),
        })
        .collect();
    if text.contains("href=") {
        links.push(Link {
            title: "href".to_owned(),
            field: String::new(),
            to: To::Unread("an HTML link"),
        });
    }
    links
}

// === impl Variable ===

impl Variable {
    fn parse(json: &Value) -> Self {
        let current = match &json["current"]["value"] {
            Value::Array(all) => all.clone(),
            one => vec![one.clone()],
        };
        let current = current.iter().filter_map(Value::as_str);
        Self {
            name: text(json, "name"),
            options: Options::parse(json),
            is_multiple: json["multi"] == true,
            has_all: json["includeAll"] == true,
            all_value: json["allValue"].as_str().map(str::to_owned),
            current: current
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }
}

// === impl Options ===

impl Options {
    fn parse(json: &Value) -> Self {
        let query = json["query"].as_str().or(json["query"]["query"].as_str());
        let query = query.unwrap_or_default();
        if !text(json, "regex").is_empty() {
            return Self::Unread("the regex of a variable".to_owned());
        }
        match (json["type"].as_str(), label_values(query)) {
            (Some("query"), Some((label, selector))) => Self::Label {
                source: source(json).unwrap_or_default().to_owned(),
                label,
                selector,
            },
            (Some("query"), None) => {
                Self::Unread("a query variable without label_values".to_owned())
            }
            (Some("datasource"), _) => Self::Sources(query.to_owned()),
            (kind, _) => Self::Unread(format!("a {} variable", kind.unwrap_or_default())),
        }
    }
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

/// The uid of `datasource`.
fn source(json: &Value) -> Option<&str> {
    json["datasource"]["uid"].as_str()
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
        let link = |title, url| json!([{"title": title, "url": url}]);
        let panel = json!({"type": "timeseries", "title": "Requests", "description": "How many?", "datasource": {"uid": "prometheus"},
            "fieldConfig": {"defaults": {"unit": "reqps", "noValue": "waiting", "links": link("Service", "/d/a")},
                "overrides": [{"matcher": {"options": "trace"}, "properties": [{"id": "links", "value": link("Trace", "/explore")}]}]},
            "targets": [{"expr": "up"}, {"query": "x", "datasource": {"uid": "loki"}, "queryType": "instant"}]});
        let query = r#"label_values(up{job=~"a,b"}, service_name)"#;
        let json = json!({"uid": "shop-home", "title": "Home", "time": {"from": "now-30m", "to": "now"},
            "templating": {"list": [
                {"type": "query", "datasource": {"uid": "prometheus"}, "query": {"query": query}, "current": {"value": ["$__all"]}},
                {"type": "datasource", "query": "prometheus", "current": {}}]},
            "panels": [{"type": "row", "panels": [panel]}, {"type": "text", "options": {"content": "See [the a](b), [c](d)"}}]});
        Dashboard::parse("home.json", &json).unwrap()
    }

    #[test]
    fn panels_in_rows_have_their_queries_and_links() {
        let dashboard = dashboard();
        let panel = &dashboard.panels[0];
        assert_eq!(panel.targets[0].source, "prometheus");
        assert_eq!(panel.targets[1].source, "loki");
        assert!(panel.targets[1].is_instant && panel.targets[1].text == "x");
        let links = dashboard.panels.iter().flat_map(|panel| &panel.links);
        let links: Vec<_> = links
            .map(|link| (&*link.title, &*link.field, &link.to))
            .collect();
        let url = |url: &str| To::Url(url.to_owned());
        let expected = [
            ("Service", "", &url("/d/a")),
            ("Trace", "trace", &url("/explore")),
            ("the a", "", &url("b")),
            ("c", "", &url("d")),
        ];
        assert_eq!(links, expected);
    }

    #[test]
    fn variables_have_a_query_or_a_type_of_data_source_and_the_current_choice() {
        let variables = dashboard().variables;
        let options: Vec<String> = variables
            .iter()
            .map(|variable| format!("{:?} {:?}", variable.options, variable.current))
            .collect();
        let label = r#"Label { source: "prometheus", label: "service_name", selector: Some("up{job=~\"a,b\"}") } ["$__all"]"#;
        assert_eq!(options, [label, r#"Sources("prometheus") []"#]);
    }

    #[test]
    fn a_panel_without_explanations_is_reported() {
        let mut panel = dashboard().panels.remove(0);
        assert_eq!(panel.missing(), None);
        panel.unit.clear();
        assert_eq!(panel.missing(), Some("a unit"));
    }
}
