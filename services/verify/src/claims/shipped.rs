//! One row for each claim that the files make.

use std::fmt;
use std::sync::Arc;

use super::Artifacts;
use super::dashboard::{Dashboard, Link, Panel, To, Variable};
use super::page::{Documented, Page, Typed};
use super::rules::{Alert, Recording};
use super::source::Source;
use crate::claim::{Claim, Row};
use crate::report::{Line, Outcome};

/// The sorts that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Panel,
    Link,
    Alert,
    Rule,
    Query,
    Command,
    Drill,
    Name,
}

#[derive(Clone, Debug)]
pub struct Shipped {
    pub kind: Kind,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Panel(Arc<Dashboard>, Panel),
    Variable(Arc<Dashboard>, Variable),
    /// A link of a dashboard, or of a panel of it.
    Jump(Arc<Dashboard>, Option<Panel>, Link),
    /// Field of a log line, by its place in the source.
    Derived(Arc<Source>, usize),
    Exemplar(Arc<Source>, usize),
    ToLogs(Arc<Source>, usize),
    ToMetrics(Arc<Source>, usize),
    ServiceMap(Arc<Source>),
    Correlation(Arc<Source>, usize),
    Recording(Recording),
    Alert(Alert),
    /// `promtool` sees it fire and stay quiet.
    Cases(Alert),
    /// Where an annotation leads.
    AlertLink(Alert, &'static str),
    /// Prometheus runs these rules and no others.
    RulesLoaded,
    /// `promtool` finds nothing wrong with any of them.
    RulesTested,
    Documented(Arc<Page>, Documented),
    /// A block of shell, run as it stands.
    Typed(Typed),
    /// The recipes of the justfile that it names.
    Recipes(Arc<Page>),
    Address(Arc<Page>, String),
    File(Arc<Page>, String),
    /// A page about an alert that exists.
    Runbook(Arc<Page>),
    Drill(Arc<Page>),
    /// Every metric of the contract is shown or checked somewhere.
    MetricsAreUsed,
    /// There are claims of every kind.
    NothingIsEmpty,
}

// === impl Kind ===

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Panel,
        Self::Link,
        Self::Alert,
        Self::Rule,
        Self::Query,
        Self::Command,
        Self::Drill,
        Self::Name,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::Panel => "panels",
            Self::Link => "links",
            Self::Alert => "alerts",
            Self::Rule => "rules",
            Self::Query => "documented queries",
            Self::Command => "commands",
            Self::Drill => "drills",
            Self::Name => "names",
        }
    }
}

// === impl Shipped ===

impl Shipped {
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
            What::Variable(_, variable) => Some(variable.query.text.clone()),
            What::Jump(_, _, link) => match &link.to {
                To::Url(url) => Some(url.clone()),
                To::Query(query) => Some(query.text.clone()),
                To::Tagged(_) => None,
            },
            What::Recording(rule) => Some(rule.promql.clone()),
            What::Alert(alert) => Some(alert.promql.clone()),
            What::Documented(_, query) => Some(query.text.clone()),
            What::Typed(typed) => Some(typed.text.clone()),
            What::ToLogs(source, at) => source.to_logs.as_ref()?.queries.get(*at).map(second),
            What::ToMetrics(source, at) => source.to_metrics.as_ref()?.queries.get(*at).map(second),
            What::Correlation(source, at) => Some(source.correlations.get(*at)?.query.text.clone()),
            _ => None,
        }
    }
}

fn second(pair: &(String, String)) -> String {
    pair.1.clone()
}

/// Everything the files claim.
pub fn rows(artifacts: &Artifacts) -> Vec<Row> {
    let mut rows = Vec::new();
    for dashboard in &artifacts.dashboards {
        of_dashboard(dashboard, &mut rows);
    }
    for source in &artifacts.sources {
        of_source(source, &mut rows);
    }
    of_rules(artifacts, &mut rows);
    for page in &artifacts.pages {
        of_page(page, &mut rows);
    }
    rows.push(row(
        Kind::Name,
        "every documented metric is shown, alerted on or asked for".to_owned(),
        What::MetricsAreUsed,
    ));
    rows.push(row(
        Kind::Name,
        "there are shipped claims of every kind".to_owned(),
        What::NothingIsEmpty,
    ));
    rows
}

fn of_dashboard(dashboard: &Arc<Dashboard>, rows: &mut Vec<Row>) {
    let title = &dashboard.title;
    for variable in &dashboard.variables {
        rows.push(row(
            Kind::Panel,
            format!("{title}: variable {} has values", variable.name),
            What::Variable(Arc::clone(dashboard), variable.clone()),
        ));
    }
    for link in &dashboard.links {
        rows.push(row(
            Kind::Link,
            format!("{title} → {}", link.title),
            What::Jump(Arc::clone(dashboard), None, link.clone()),
        ));
    }
    for panel in &dashboard.panels {
        let name = format!("{title} / {}", panel.title);
        rows.push(row(
            Kind::Panel,
            name.clone(),
            What::Panel(Arc::clone(dashboard), panel.clone()),
        ));
        let written = super::jump::links_of_text(&panel.text);
        for link in panel.links.iter().cloned().chain(written) {
            rows.push(row(
                Kind::Link,
                format!("{name} → {}", link.title),
                What::Jump(Arc::clone(dashboard), Some(panel.clone()), link),
            ));
        }
    }
}

fn of_source(source: &Arc<Source>, rows: &mut Vec<Row>) {
    let uid = &source.uid;
    let mut add = |name: String, what| rows.push(row(Kind::Link, name, what));
    for (at, field) in source.derived.iter().enumerate() {
        add(
            format!(
                "{uid}: a log line of either lane → its trace ({})",
                field.name
            ),
            What::Derived(Arc::clone(source), at),
        );
    }
    for (at, exemplar) in source.exemplars.iter().enumerate() {
        add(
            format!("{uid}: an exemplar → its trace ({})", exemplar.label),
            What::Exemplar(Arc::clone(source), at),
        );
    }
    if let Some(onward) = &source.to_logs {
        for at in 0..onward.queries.len().max(1) {
            add(
                format!("{uid}: a span → its log lines"),
                What::ToLogs(Arc::clone(source), at),
            );
        }
    }
    if let Some(onward) = &source.to_metrics {
        for (at, (name, _)) in onward.queries.iter().enumerate() {
            add(
                format!("{uid}: a span → {name}"),
                What::ToMetrics(Arc::clone(source), at),
            );
        }
    }
    if source.service_map.is_some() {
        add(
            format!("{uid}: the service map → its metrics"),
            What::ServiceMap(Arc::clone(source)),
        );
    }
    for (at, correlation) in source.correlations.iter().enumerate() {
        add(
            format!("{uid}: correlation {}", correlation.label),
            What::Correlation(Arc::clone(source), at),
        );
    }
}

fn of_rules(artifacts: &Artifacts, rows: &mut Vec<Row>) {
    for rule in &artifacts.rules.recordings {
        let name = format!("{} gives series", rule.name);
        rows.push(row(Kind::Rule, name, What::Recording(rule.clone())));
    }
    if !artifacts.rules.recordings.is_empty() {
        let name = "Prometheus runs the shipped rules, each without an error".to_owned();
        rows.push(row(Kind::Rule, name, What::RulesLoaded));
        let name = "promtool finds the rules as their tests say".to_owned();
        rows.push(row(Kind::Rule, name, What::RulesTested));
    }
    for alert in &artifacts.rules.alerts {
        let name = &alert.name;
        let mut add = |kind, text: String, what| rows.push(row(kind, text, what));
        add(
            Kind::Alert,
            format!("alert {name} asks for what exists"),
            What::Alert(alert.clone()),
        );
        add(
            Kind::Alert,
            format!("alert {name} fires and stays quiet (promtool)"),
            What::Cases(alert.clone()),
        );
        for annotation in ["dashboard", "runbook"] {
            add(
                Kind::Link,
                format!("alert {name} → {annotation}"),
                What::AlertLink(alert.clone(), annotation),
            );
        }
    }
}

fn of_page(page: &Arc<Page>, rows: &mut Vec<Row>) {
    let file = &page.file;
    let mut add = |kind, name: String, what| {
        // A page that says the same thing twice claims it once.
        if !rows.iter().any(|row: &Row| row.name == name) {
            rows.push(row(kind, name, what));
        }
    };
    for query in &page.queries {
        add(
            Kind::Query,
            format!("{file}:{} {}", query.line, query.text),
            What::Documented(Arc::clone(page), query.clone()),
        );
    }
    for typed in page.commands.iter().filter(|typed| !typed.is_of_just()) {
        add(
            Kind::Command,
            format!("{file}:{} works as it is typed", typed.line),
            What::Typed(typed.clone()),
        );
    }
    if !page.recipes.is_empty() {
        add(
            Kind::Command,
            format!("{file}: every `just` in it is a recipe"),
            What::Recipes(Arc::clone(page)),
        );
    }
    for address in &page.addresses {
        add(
            Kind::Link,
            format!("{file} → {address}"),
            What::Address(Arc::clone(page), address.clone()),
        );
    }
    for target in &page.files {
        add(
            Kind::Link,
            format!("{file} → {target}"),
            What::File(Arc::clone(page), target.clone()),
        );
    }
    let is_index = file.ends_with("README.md") || file.ends_with("index.md");
    if file.starts_with("docs/runbooks/") && !is_index {
        add(
            Kind::Alert,
            format!("{file} is about an alert"),
            What::Runbook(Arc::clone(page)),
        );
    }
    if file.starts_with("docs/drills/") && !is_index {
        add(
            Kind::Drill,
            format!("{file} is about a drill that `just drill` has"),
            What::Drill(Arc::clone(page)),
        );
    }
}

fn row(kind: Kind, name: String, what: What) -> Row {
    let kind_word = match kind {
        Kind::Panel => "panel ",
        Kind::Link => "link ",
        _ => "",
    };
    let is_variable = matches!(what, What::Variable(..));
    Row {
        name: if is_variable {
            name
        } else {
            format!("{kind_word}{name}")
        },
        claim: Claim::Shipped(Box::new(Shipped { kind, what })),
    }
}

/// How many claims of each kind there are, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([Count; Kind::ALL.len()]);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    claimed: usize,
    executed: usize,
    failed: usize,
}

// === impl Counts ===

impl Counts {
    /// `rows` are what is claimed, `lines` what was judged; they are matched by name.
    pub fn of(rows: &[Row], lines: &[Line]) -> Self {
        let mut counts = Self::default();
        for row in rows {
            let Claim::Shipped(shipped) = &row.claim else {
                continue;
            };
            let at = Kind::ALL.iter().position(|kind| *kind == shipped.kind);
            let Some(count) = at.and_then(|at| counts.0.get_mut(at)) else {
                continue;
            };
            count.claimed += 1;
            match lines.iter().find(|line| line.name == row.name) {
                Some(line) if matches!(line.outcome, Outcome::Skipped(_)) => {}
                Some(line) => {
                    count.executed += 1;
                    count.failed += usize::from(matches!(line.outcome, Outcome::Failed(_)));
                }
                None => {}
            }
        }
        counts
    }

    /// The kinds of which the files claim nothing.
    pub fn empty(&self) -> impl Iterator<Item = &'static str> {
        let counted = Kind::ALL.iter().zip(&self.0);
        counted.filter_map(|(kind, count)| (count.claimed == 0).then_some(kind.words()))
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<20} claimed  executed  failed", "what is shipped")?;
        for (kind, count) in Kind::ALL.iter().zip(&self.0) {
            writeln!(
                f,
                "  {:<18} {:>7}  {:>8}  {:>6}",
                kind.words(),
                count.claimed,
                count.executed,
                count.failed
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn artifacts() -> Artifacts {
        let mut artifacts = Artifacts::default();
        let page = Page::parse(
            "docs/drills/slow.md",
            "```promql\nup\n```\n`just up`, see [a](../a.md) and http://localhost:8080/x\n```promql\nup\n```\n```sh\ntrue\n```\n```sh\njust up\n```\n",
        );
        artifacts.pages.push(Arc::new(page));
        artifacts
    }

    #[test]
    fn a_page_claims_its_queries_addresses_files_and_drill() {
        let names: Vec<String> = rows(&artifacts()).into_iter().map(|row| row.name).collect();
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

    #[test]
    fn what_was_skipped_or_never_judged_is_not_executed() {
        let rows = rows(&artifacts());
        let line = |at: usize, outcome| Line {
            name: rows[at].name.clone(),
            query: None,
            outcome,
            after: Duration::ZERO,
        };
        let lines = [
            line(0, Outcome::Failed(String::new())),
            line(4, Outcome::Skipped(String::new())),
        ];
        let counts = Counts::of(&rows, &lines);
        let queries = Count {
            claimed: 2,
            executed: 1,
            failed: 1,
        };
        assert_eq!(counts.0[4], queries);
        assert_eq!((counts.0[1].claimed, counts.0[1].executed), (2, 0));
        assert!(counts.empty().any(|kind| kind == "panels"));
        assert!(counts.to_string().contains("documented queries"));
    }
}
