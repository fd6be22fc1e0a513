//! Judges one claim of a shipped file, once.

use std::collections::BTreeSet;

use regex::Regex;

use super::dashboard::{Dashboard, Panel};
use super::names::has_word;
use super::page::{Page, PageQuery};
use super::rules::{Alert, Recording};
use super::source::Source;
use super::{
    Claim, Counts, KINDS, Language, Unmet, Verdict, What, broken, check_names, command, link,
    needs, not_yet, promtool, query, rows, signal, variable,
};
use crate::breaks::Plan;
use crate::check::Scene;
use crate::expectations;
use crate::poll::Look;

/// A trace id in a page is an example.
const EXAMPLE_ID: &str = r"[0-9a-f]{32}|TRACE_ID|\$trace_id";
/// Replaces the `$service` of a runbook.
const EXAMPLE_SERVICE: &str = "order";
/// Panels without queries.
const SILENT: [&str; 5] = ["text", "dashlist", "alertlist", "news", "welcome"];

pub async fn look(scene: &Scene, claim: &Claim) -> anyhow::Result<Look> {
    Ok(match judge(scene, &claim.what).await {
        Ok(evidence) => Look::Holds(evidence),
        Err(unmet) => unmet.into(),
    })
}

async fn judge(scene: &Scene, what: &What) -> Verdict {
    match what {
        What::Panel(dashboard, panel) => panel_has_data(scene, dashboard, panel).await,
        What::Variable(dashboard, one) => variable::has_values(scene, dashboard, one).await,
        What::Link(dashboard, panel, one) => {
            link::follow(scene, dashboard, panel.as_ref(), one).await
        }
        What::SourceLink(link) => signal::follow(scene, link).await,
        What::ServiceMap(source) => service_map(scene, source).await,
        What::Recording(rule) => recorded(scene, rule).await,
        What::Alert(alert) => can_be_evaluated(scene, alert).await,
        What::Cases(alert) => promtool::alert(&scene.artifacts, alert).await,
        What::AlertLink(alert, annotation) => annotated(scene, alert, annotation).await,
        What::RulesLoaded => loaded(scene).await,
        What::RulesTested => promtool::all(&scene.artifacts).await,
        What::Query(page, query) => documented(scene, page, query).await,
        What::Command(block) => command::run(scene, block).await,
        What::Recipes(page) => command::recipes(scene, page),
        What::Address(url) => link::address(scene, url).await,
        What::File(page, target) => {
            let folder = page.file.rsplit_once('/').map_or("", |(folder, _)| folder);
            link::file(&scene.artifacts, folder, target)
        }
        What::Runbook(page) => {
            let mut alerts = scene.artifacts.rules.alerts.iter();
            let alert = alerts.find(|alert| is_about(page, &alert.name));
            let alert =
                alert.ok_or_else(|| Unmet::Broken("no rule has such an alert".to_owned()))?;
            Ok(alert.name.clone())
        }
        What::Drill(page) => drill(page.front_matter(), &scene.artifacts.rules.alerts),
        What::NothingIsEmpty => nothing_is_empty(scene),
        What::MetricsAreUsed => metrics_are_used(scene),
    }
}

async fn panel_has_data(scene: &Scene, dashboard: &Dashboard, panel: &Panel) -> Verdict {
    if let Some(missing) = panel.missing() {
        return broken(format!("the panel lacks {missing}"));
    }
    if panel.targets.is_empty() {
        return match SILENT.contains(&panel.kind.as_str()) {
            true => Ok(panel.kind.clone()),
            false => broken(format!("a {} without a query", panel.kind)),
        };
    }
    let values = variable::values(scene, dashboard).await?;
    let mut evidence = Vec::new();
    for one in &panel.targets {
        let found = query::run_query(scene, one, dashboard.range, &values).await?;
        match found.count {
            0 if one.is_of_alerts() => evidence.push("no alert fires".to_owned()),
            0 => return not_yet(format!("no data: {}", one.text)),
            _ => evidence.push(found.describe()),
        }
        if one.has_exemplars {
            let asked = query::asked(scene, one, dashboard.range, &values)?;
            let count = query::exemplars(scene, &asked.text).await?;
            evidence.push(format!("{count} exemplars"));
        }
    }
    Ok(evidence.join(", "))
}

async fn service_map(scene: &Scene, source: &Source) -> Verdict {
    Ok(query::service_map(scene, source, query::RANGE)
        .await?
        .describe())
}

async fn recorded(scene: &Scene, rule: &Recording) -> Verdict {
    names_exist(scene, &rule.promql).await?;
    let samples = scene.prometheus.query(&rule.name).await?;
    match samples.iter().filter(|one| !one.value.is_nan()).count() {
        0 => not_yet("no series"),
        count => Ok(format!("{count} series")),
    }
}

async fn names_exist(scene: &Scene, promql: &str) -> Verdict<()> {
    let needs = needs::of_query(&scene.artifacts, Language::PromQl, promql)?;
    needs::check(scene, needs)?;
    check_names::check(scene, Language::PromQl, promql).await
}

async fn can_be_evaluated(scene: &Scene, alert: &Alert) -> Verdict {
    names_exist(scene, &alert.promql).await?;
    if !alert.annotation("summary").contains("$value") {
        return broken("its summary does not contain $value");
    }
    let mut pages = scene.artifacts.pages.iter();
    if !pages.any(|page| page.file.starts_with("docs/runbooks/") && is_about(page, &alert.name)) {
        return broken("no page of docs/runbooks is about it");
    }
    let samples = scene.prometheus.query(&alert.promql).await?;
    Ok(format!("{} series now", samples.len()))
}

async fn annotated(scene: &Scene, alert: &Alert, annotation: &str) -> Verdict {
    let names = [annotation.to_owned(), format!("{annotation}_url")];
    let mut links = names.iter().map(|name| alert.annotation(name));
    let link = links.find(|link| !link.is_empty());
    let link = link.ok_or_else(|| Unmet::Broken(format!("no annotation {annotation}")))?;
    // Labels of the alert are in it as `{{ $labels.x }}`; its target does not depend on them.
    let plain = Regex::new(r"\{\{[^}]*\}\}")?.replace_all(link, "x");
    if annotation == "runbook" {
        let file = plain.split('#').next().unwrap_or_default();
        let evidence = link::file(&scene.artifacts, "", file)?;
        return match scene.artifacts.page(file) {
            Some(page) if !is_about(page, &alert.name) => broken(format!("{file} is not about it")),
            _ => Ok(evidence),
        };
    }
    match plain.find("/d/") {
        Some(at) => link::open(scene, &plain[at..]).await,
        None => broken(format!("{link} is no dashboard")),
    }
}

/// An alert has a page of its own, or a heading.
fn is_about(page: &Page, alert: &str) -> bool {
    page.name() == alert
        || page
            .headings
            .iter()
            .any(|(_, title)| has_word(title, alert))
}

/// The front matter of a drill can be run, and the alerts that it names exist.
fn drill(front_matter: Option<&str>, alerts: &[Alert]) -> Verdict {
    let Some(front_matter) = front_matter else {
        return broken("a drill is its front matter, and there is none".to_owned());
    };
    let plan = Plan::parse(front_matter).map_err(|error| Unmet::Broken(format!("{error:#}")))?;
    let named: Vec<&str> = [&plan.alert, &plan.alert_if_absent]
        .into_iter()
        .flatten()
        .map(|alert| alert.name.as_str())
        .collect();
    let is_unknown = |name: &&&str| !alerts.iter().any(|alert| alert.name == **name);
    match named.iter().find(is_unknown) {
        Some(name) => broken(format!("no rule has the alert {name}")),
        None if named.is_empty() => Ok("no alert is expected".to_owned()),
        None => Ok(named.join(", ")),
    }
}

async fn loaded(scene: &Scene) -> Verdict {
    let running = scene.prometheus.rules().await?;
    if let Some((name, error)) = running.iter().find(|(_, error)| !error.is_empty()) {
        return not_yet(format!("{name}: {error}"));
    }
    let rules = &scene.artifacts.rules;
    let recordings = rules.recordings.iter().map(|rule| rule.name.as_str());
    let alerts = rules.alerts.iter().map(|alert| alert.name.as_str());
    let shipped: BTreeSet<&str> = recordings.chain(alerts).collect();
    let running: BTreeSet<&str> = running.iter().map(|(name, _)| name.as_str()).collect();
    let mut difference = shipped.symmetric_difference(&running);
    match difference.next() {
        Some(name) if shipped.contains(name) => not_yet(format!("{name} is not loaded")),
        Some(name) => not_yet(format!("{name} is loaded, but not shipped")),
        None => Ok(format!("{} rules", running.len())),
    }
}

async fn documented(scene: &Scene, page: &Page, one: &PageQuery) -> Verdict {
    needs::check(scene, one.needs.iter().map(String::as_str))?;
    let id = scene.driven.trace_id("product-error").unwrap_or_default();
    let text = Regex::new(EXAMPLE_ID)?.replace_all(&one.text, id);
    let asked = query::Asked {
        language: one.language,
        text: text.replace("$service", EXAMPLE_SERVICE),
        is_instant: one.language == Language::PromQl,
        range: query::RANGE,
    };
    if one.has("fault") || page.is_drill() {
        // What a fault looks like is not there without the fault.
        let found = query::run(scene, &asked).await?;
        return Ok(match found.count {
            0 => "answers, nothing now".to_owned(),
            _ => found.describe(),
        });
    }
    query::run_or_older_lines(scene, &asked).await
}

/// A folder that was moved would make its claims disappear, and everything would be green.
fn nothing_is_empty(scene: &Scene) -> Verdict {
    let counts = Counts::of(&rows(&scene.artifacts), &[]);
    let empty: Vec<&str> = counts.empty().collect();
    match empty.is_empty() {
        true => Ok(format!("{} kinds", KINDS.len())),
        false => broken(format!("no file claims any {}", empty.join(", "))),
    }
}

/// A metric that no panel, rule, page or check names is of no use.
fn metrics_are_used(scene: &Scene) -> Verdict {
    let mut texts: Vec<String> = scene.artifacts.queries().map(str::to_owned).collect();
    texts.extend(expectations::promql(&scene.checks).map(str::to_owned));
    let metrics = scene.contract.metrics.iter();
    let is_used = |series: &String| texts.iter().any(|text| has_word(text, series));
    let unused = metrics.filter(|metric| !metric.series().iter().any(is_used));
    let unused: Vec<&str> = unused.map(|metric| metric.name.as_str()).collect();
    match unused.is_empty() {
        true => Ok(format!("{} metrics", scene.contract.metrics.len())),
        false => broken(format!("no query uses {}", unused.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_page_is_about_an_alert_by_its_name_or_a_heading() {
        let page = |text, path| Page::parse(text, Path::new(path)).unwrap();
        let own = page("# What it means\n", "docs/runbooks/ServiceDown.md");
        assert!(is_about(&own, "ServiceDown") && !is_about(&own, "Service"));
        let shared = page("## ServiceDown\ntext ServiceUp\n", "docs/runbooks/all.md");
        assert!(is_about(&shared, "ServiceDown") && !is_about(&shared, "ServiceUp"));
    }

    #[test]
    fn the_alerts_that_a_drill_names_exist() {
        let alerts = [Alert {
            name: "Down".to_owned(),
            ..Alert::default()
        }];
        let alert = |name| format!("{{name: {name}, of: {{}}, fires: 1s, clears: 1s}}");
        let (down, dwon) = (alert("Down"), alert("Dwon"));
        for (front_matter, is_ok) in [
            ("quiet: 45s".to_owned(), true),
            (format!("alert: {down}"), true),
            (format!("alert: {dwon}"), false),
            (format!("alert: {down}\nalert_if_absent: {dwon}"), false),
            ("quiet: 45s\nquite: 45s".to_owned(), false),
            ("alert: [".to_owned(), false),
        ] {
            let front_matter = format!("breaks: it\nfix: it\n{front_matter}");
            let verdict = drill(Some(&front_matter), &alerts);
            assert_eq!(verdict.is_ok(), is_ok, "{front_matter}");
        }
        assert!(drill(None, &alerts).is_err());
    }
}
