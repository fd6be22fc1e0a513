//! One row for each claim of the files.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Artifacts;
use super::dashboard::{Dashboard, Link, Panel, To, Variable};
use super::page::{Block, Page, PageQuery};
use super::rules::{Alert, Recording};
use super::source::{From, Source, SourceLink};
use crate::claim;

/// The kinds of claims, which are counted.
pub const KINDS: [&str; 8] = [
    "panels",
    "links",
    "alerts",
    "rules",
    "documented queries",
    "commands",
    "drills",
    "names",
];

/// One claim of a shipped file.
#[derive(Clone, Debug)]
pub struct Claim {
    /// One of [`KINDS`].
    pub kind: &'static str,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Panel(Arc<Dashboard>, Panel),
    Variable(Arc<Dashboard>, Variable),
    /// A link of a dashboard, or of one of its panels.
    Link(Arc<Dashboard>, Option<Panel>, Link),
    /// A link that a data source makes.
    SourceLink(SourceLink),
    ServiceMap(Arc<Source>),
    Recording(Recording),
    Alert(Alert),
    /// `promtool` tests that it fires, and that it does not.
    Cases(Alert),
    /// The target of an annotation.
    AlertLink(Alert, &'static str),
    /// Prometheus evaluates these rules and no others.
    RulesLoaded,
    /// `promtool` passes all tests.
    RulesTested,
    Query(Arc<Page>, PageQuery),
    /// A block of shell, run as it is written.
    Command(Block),
    /// The recipes of the justfile that a page names.
    Recipes(Arc<Page>),
    Address(String),
    File(Arc<Page>, String),
    /// The page is about an alert that exists.
    Runbook(Arc<Page>),
    Drill(Arc<Page>),
    /// Every metric of the contract is used by a query.
    MetricsAreUsed,
    /// There are claims of every kind.
    NothingIsEmpty,
}

// === impl Claim ===

impl Claim {
    /// It needs the tests of the rules, which take long.
    pub fn is_of_promtool(&self) -> bool {
        matches!(self.what, What::Cases(_) | What::RulesTested)
    }

    /// The query as it is written in the file.
    pub fn query(&self) -> Option<String> {
        match &self.what {
            What::Panel(_, panel) => {
                let texts = panel.targets.iter().map(|target| target.text.as_str());
                Some(texts.collect::<Vec<_>>().join("   and   "))
            }
            What::Link(_, _, link) => match &link.to {
                To::Url(url) => Some(url.clone()),
                To::Dashboards | To::Unread(_) => None,
            },
            What::SourceLink(link) => match &link.from {
                From::Span { query, .. } => Some(query.text.clone()),
                _ => None,
            },
            What::Recording(rule) => Some(rule.promql.clone()),
            What::Alert(alert) => Some(alert.promql.clone()),
            What::Query(_, query) => Some(query.text.clone()),
            What::Command(block) => Some(block.text.clone()),
            _ => None,
        }
    }
}

/// The rows that are being listed.
#[derive(Default)]
struct List(Vec<claim::Row>);

/// Everything the files claim.
pub fn rows(artifacts: &Artifacts) -> Vec<claim::Row> {
    let mut list = List::default();
    for dashboard in &artifacts.dashboards {
        list.dashboard(dashboard);
    }
    for source in &artifacts.sources {
        list.source(source);
    }
    list.rules(artifacts);
    for page in &artifacts.pages {
        list.page(page);
    }
    let used = "every documented metric is shown, alerted on or asked for";
    list.add("names", used, What::MetricsAreUsed);
    list.add(
        "names",
        "there are shipped claims of every kind",
        What::NothingIsEmpty,
    );
    list.0
}

// === impl List ===

impl List {
    fn add(&mut self, kind: &'static str, name: impl Into<String>, what: What) {
        self.0.push(claim::Row {
            name: name.into(),
            claim: claim::Claim::Shipped(Box::new(Claim { kind, what })),
        });
    }

    fn dashboard(&mut self, dashboard: &Arc<Dashboard>) {
        let title = &dashboard.title;
        for variable in &dashboard.variables {
            let what = What::Variable(Arc::clone(dashboard), variable.clone());
            self.add(
                "panels",
                format!("{title}: variable {} has values", variable.name),
                what,
            );
        }
        for link in &dashboard.links {
            let what = What::Link(Arc::clone(dashboard), None, link.clone());
            self.add("links", format!("link {title} → {}", link.title), what);
        }
        for panel in &dashboard.panels {
            let name = format!("{title} / {}", panel.title);
            let what = What::Panel(Arc::clone(dashboard), panel.clone());
            self.add("panels", format!("panel {name}"), what);
            for link in &panel.links {
                let what = What::Link(Arc::clone(dashboard), Some(panel.clone()), link.clone());
                self.add("links", format!("link {name} → {}", link.title), what);
            }
        }
    }

    fn source(&mut self, source: &Arc<Source>) {
        for link in &source.links {
            self.add(
                "links",
                format!("link {}", link.name),
                What::SourceLink(link.clone()),
            );
        }
        if source.service_map.is_some() {
            let name = format!("link {}: the service map → its metrics", source.uid);
            self.add("links", name, What::ServiceMap(Arc::clone(source)));
        }
    }

    fn rules(&mut self, artifacts: &Artifacts) {
        for rule in &artifacts.rules.recordings {
            self.add(
                "rules",
                format!("{} gives series", rule.name),
                What::Recording(rule.clone()),
            );
        }
        if !artifacts.rules.recordings.is_empty() {
            let name = "Prometheus runs the shipped rules, each without an error";
            self.add("rules", name, What::RulesLoaded);
            self.add(
                "rules",
                "promtool finds the rules as their tests say",
                What::RulesTested,
            );
        }
        for alert in &artifacts.rules.alerts {
            let name = &alert.name;
            self.add(
                "alerts",
                format!("alert {name} asks for what exists"),
                What::Alert(alert.clone()),
            );
            let tested = format!("alert {name} fires and stays quiet (promtool)");
            self.add("alerts", tested, What::Cases(alert.clone()));
            for annotation in ["dashboard", "runbook"] {
                let what = What::AlertLink(alert.clone(), annotation);
                self.add("links", format!("link alert {name} → {annotation}"), what);
            }
        }
    }

    /// A page that repeats itself claims it once.
    fn page(&mut self, page: &Arc<Page>) {
        let file = &page.file;
        let mut own = Self::default();
        for query in &page.queries {
            let what = What::Query(Arc::clone(page), query.clone());
            own.add(
                "documented queries",
                format!("{file}:{} {}", query.line, query.text),
                what,
            );
        }
        for block in page.commands().filter(|block| !block.uses_just()) {
            let name = format!("{file}:{} works as it is typed", block.line);
            own.add("commands", name, What::Command(block.clone()));
        }
        if !page.recipes.is_empty() {
            let name = format!("{file}: every `just` in it is a recipe");
            own.add("commands", name, What::Recipes(Arc::clone(page)));
        }
        for address in &page.addresses {
            own.add(
                "links",
                format!("link {file} → {address}"),
                What::Address(address.clone()),
            );
        }
        for target in &page.files {
            let what = What::File(Arc::clone(page), target.clone());
            own.add("links", format!("link {file} → {target}"), what);
        }
        if !matches!(page.name(), "README" | "index") {
            if file.starts_with("docs/runbooks/") {
                let what = What::Runbook(Arc::clone(page));
                own.add("alerts", format!("{file} is about an alert"), what);
            } else if page.is_drill() {
                let name = format!("{file} is about a drill that `just drill` has");
                own.add("drills", name, What::Drill(Arc::clone(page)));
            }
        }
        let mut seen = BTreeSet::new();
        own.0.retain(|row| seen.insert(row.name.clone()));
        self.0.append(&mut own.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_page_claims_its_queries_commands_links_and_drill() {
        let mut artifacts = Artifacts::default();
        let text = "```promql\nup\n```\n`just up`, see [a](../a.md), [a](../a.md) and http://localhost:8080/x\n```promql\nup\n```\n```sh\ntrue\n```\n```sh\njust up\n```\n";
        let page = Page::parse(text, Path::new("docs/drills/slow.md")).unwrap();
        artifacts.pages.push(page.into());
        let names: Vec<String> = rows(&artifacts).into_iter().map(|row| row.name).collect();
        assert_eq!(
            names,
            [
                "docs/drills/slow.md:2 up",
                "docs/drills/slow.md:6 up",
                "docs/drills/slow.md:9 works as it is typed",
                "docs/drills/slow.md: every `just` in it is a recipe",
                "link docs/drills/slow.md → http://localhost:8080/x",
                "link docs/drills/slow.md → ../a.md",
                "docs/drills/slow.md is about a drill that `just drill` has",
                "every documented metric is shown, alerted on or asked for",
                "there are shipped claims of every kind",
            ]
        );
    }
}
