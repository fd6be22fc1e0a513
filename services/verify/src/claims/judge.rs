//! One look at whether a shipped claim holds.

use std::collections::BTreeSet;
use std::time::Duration;

use regex::Regex;

use super::dashboard::{Dashboard, Panel, Variable};
use super::known::{has_word, unknown};
use super::page::{Documented, Page};
use super::rules::{Alert, Recording};
use super::source::Source;
use super::template::{Values, Window};
use super::{
    Counts, Kind, Language, Shipped, What, ask, choose, command, jump, onward, promtool, rows,
};
use crate::check::Scene;
use crate::claim::Claim;
use crate::drive::Case;
use crate::expectations;
use crate::poll::Look;

/// How far back a documented query is asked: more than any run lasts.
const RANGE: Duration = Duration::from_secs(60 * 60);
/// A trace id in a page is somebody else's: 32 hexadecimal digits.
const SOME_ID: &str = "[0-9a-f]{32}";
/// Other ways in which pages say: your trace.
const PLACEHOLDERS_OF_ID: [&str; 2] = ["TRACE_ID", "$trace_id"];
/// Stands in for the `$service` of an alert.
const SOME_SERVICE: &str = "order";
/// Panels that ask nothing.
const SILENT: [&str; 5] = ["text", "dashlist", "alertlist", "news", "welcome"];

pub async fn look(scene: &Scene, shipped: &Shipped) -> anyhow::Result<Look> {
    match &shipped.what {
        What::Panel(dashboard, panel) => panel_has_data(scene, dashboard, panel).await,
        What::Variable(dashboard, variable) => has_values(scene, dashboard, variable).await,
        What::Jump(dashboard, panel, link) => {
            jump::follow(scene, dashboard, panel.as_ref(), link).await
        }
        What::Derived(source, at) => onward::derived(scene, source, *at).await,
        What::Exemplar(source, at) => onward::exemplar(scene, source, *at).await,
        What::ToLogs(source, at) => onward::to_logs(scene, source, *at).await,
        What::ToMetrics(source, at) => onward::to_metrics(scene, source, *at).await,
        What::ServiceMap(source) => service_map(scene, source).await,
        What::Correlation(source, at) => onward::correlation(scene, source, *at).await,
        What::Recording(rule) => recorded(scene, rule).await,
        What::Alert(alert) => can_be_asked(scene, alert).await,
        What::Cases(alert) => Ok(promtool::alert(&scene.artifacts, alert).await),
        What::AlertLink(alert, annotation) => annotated(scene, alert, annotation).await,
        What::RulesLoaded => loaded(scene).await,
        What::RulesTested => Ok(promtool::all(&scene.artifacts).await),
        What::Documented(page, query) => documented(scene, page, query).await,
        What::Typed(typed) => command::typed(scene, typed).await,
        What::Recipes(page) => Ok(command::recipes(scene, page)),
        What::Address(_, url) => jump::address(scene, url).await,
        What::File(page, target) => {
            let folder = page.file.rsplit_once('/').map_or("", |(folder, _)| folder);
            Ok(jump::file(&scene.artifacts, folder, target))
        }
        What::Runbook(page) => Ok(about_an_alert(scene, page)),
        What::Drill(page) => Ok(about_a_drill(scene, page)),
        What::NothingIsEmpty => Ok(nothing_is_empty(scene)),
        What::MetricsAreUsed => Ok(metrics_are_used(scene)),
    }
}

async fn panel_has_data(
    scene: &Scene,
    dashboard: &Dashboard,
    panel: &Panel,
) -> anyhow::Result<Look> {
    if let Some(missing) = panel.missing() {
        return Ok(Look::Broken(format!("the panel lacks {missing}")));
    }
    if panel.targets.is_empty() {
        return Ok(if SILENT.contains(&panel.kind.as_str()) {
            Look::Holds(panel.kind.clone())
        } else {
            Look::Broken(format!("a {} without a query", panel.kind))
        });
    }
    let values = match choose::all(scene, dashboard).await? {
        Ok(values) => values,
        Err(state) => return Ok(Look::NotYet(state)),
    };
    let mut evidence = Vec::new();
    for query in &panel.targets {
        let source = match scene.artifacts.source(&query.source) {
            Ok(source) => source,
            Err(state) => return Ok(Look::Broken(state)),
        };
        match ask::ask(scene, source, query, dashboard.range, &values).await? {
            Err(look) => return Ok(look),
            Ok(found) if found.count == 0 && query.is_of_alerts() => {
                evidence.push("nothing fires".to_owned());
            }
            Ok(found) if found.count == 0 => {
                return Ok(Look::NotYet(format!("no data: {}", query.text)));
            }
            Ok(found) => evidence.push(found.describe()),
        }
        if query.has_exemplars {
            match ask::exemplars(scene, source, query, dashboard.range, &values).await? {
                Ok(count) => evidence.push(format!("{count} exemplars")),
                Err(look) => return Ok(look),
            }
        }
    }
    Ok(Look::Holds(evidence.join(", ")))
}

async fn has_values(
    scene: &Scene,
    dashboard: &Dashboard,
    variable: &Variable,
) -> anyhow::Result<Look> {
    let mut earlier = Values::new();
    for before in &dashboard.variables {
        let options = match choose::options(scene, before, &earlier).await? {
            Ok(options) => options,
            Err(state) => return Ok(Look::Broken(state)),
        };
        let Some(value) = choose::chosen(before, &options) else {
            return Ok(Look::NotYet(format!("{} has no value", before.name)));
        };
        if before.name == variable.name {
            let strange = variable
                .current
                .iter()
                .find(|value| *value != super::dashboard::ALL && !options.contains(value));
            return Ok(match strange {
                Some(value) => {
                    Look::NotYet(format!("{value:?} is chosen, but no option: {options:?}"))
                }
                None => Look::Holds(options.join(", ")),
            });
        }
        earlier.insert(before.name.clone(), value);
    }
    Ok(Look::Broken("no such variable".to_owned()))
}

async fn service_map(scene: &Scene, source: &Source) -> anyhow::Result<Look> {
    Ok(match onward::service_map(scene, source, RANGE).await? {
        Err(look) => look,
        Ok(found) => {
            let edges: Vec<String> = onward::edges(&found).into_iter().collect();
            Look::Holds(edges.join(", "))
        }
    })
}

async fn recorded(scene: &Scene, rule: &Recording) -> anyhow::Result<Look> {
    if let Some(unasked) = unknown(scene, Language::PromQl, &rule.promql).await? {
        return Ok(unasked);
    }
    let samples = scene.prometheus.query(&rule.name).await?;
    let count = samples.iter().filter(|one| !one.value.is_nan()).count();
    Ok(if count == 0 {
        Look::NotYet("no series".to_owned())
    } else {
        Look::Holds(format!("{count} series"))
    })
}

async fn can_be_asked(scene: &Scene, alert: &Alert) -> anyhow::Result<Look> {
    if let Some(unasked) = unknown(scene, Language::PromQl, &alert.promql).await? {
        return Ok(unasked);
    }
    if !alert.annotation("summary").contains("$value") {
        return Ok(Look::Broken(
            "its summary does not tell the value".to_owned(),
        ));
    }
    let runbooks = scene.artifacts.pages_in("docs/runbooks/");
    let has_page = runbooks.into_iter().any(|page| tells_of(page, &alert.name));
    if !has_page {
        return Ok(Look::Broken(
            "no page of docs/runbooks is about it".to_owned(),
        ));
    }
    let samples = scene.prometheus.query(&alert.promql).await?;
    Ok(Look::Holds(format!("{} series now", samples.len())))
}

async fn annotated(scene: &Scene, alert: &Alert, annotation: &str) -> anyhow::Result<Look> {
    let names = [annotation.to_owned(), format!("{annotation}_url")];
    let link = names.iter().map(|name| alert.annotation(name));
    let Some(link) = link.into_iter().find(|link| !link.is_empty()) else {
        return Ok(Look::Broken(format!("no annotation {annotation}")));
    };
    // Labels of the alert stand in it as `{{ $labels.x }}`; where it leads does not depend on them.
    let plain = Regex::new(r"\{\{[^}]*\}\}")?.replace_all(link, "x");
    if annotation == "runbook" {
        let file = plain.split('#').next().unwrap_or_default();
        let looked = jump::file(&scene.artifacts, "", file);
        let page = scene.artifacts.page(file);
        let tells = page.is_none_or(|page| tells_of(page, &alert.name));
        return Ok(match looked {
            Look::Holds(_) if !tells => Look::Broken(format!("{file} says nothing of it")),
            looked => looked,
        });
    }
    let path = plain.find("/d/").map(|at| &plain[at..]);
    match path {
        Some(path) => jump::open(scene, path).await,
        None => Ok(Look::Broken(format!("{link} is no dashboard"))),
    }
}

/// An alert has a page of its own, or a heading.
fn tells_of(page: &Page, alert: &str) -> bool {
    let name = page.file.rsplit('/').next().unwrap_or_default();
    let headings = page.text.lines().filter(|line| line.starts_with('#'));
    name.trim_end_matches(".md") == alert || headings.into_iter().any(|line| has_word(line, alert))
}

fn about_an_alert(scene: &Scene, page: &Page) -> Look {
    let alerts = &scene.artifacts.rules.alerts;
    match alerts.iter().find(|alert| tells_of(page, &alert.name)) {
        Some(alert) => Look::Holds(alert.name.clone()),
        None => Look::Broken("no rule has such an alert".to_owned()),
    }
}

/// The page is named like the drill it teaches.
fn about_a_drill(scene: &Scene, page: &Page) -> Look {
    let name = page
        .file
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".md");
    let folder = scene.repository.join("services/drill/src");
    let quoted = format!("\"{name}\"");
    match super::artifacts::files(&folder, "rs") {
        Ok(sources) => {
            let has = |path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(&quoted));
            match sources.iter().find(|path| has(*path)) {
                Some(_) => Look::Holds(name.to_owned()),
                None => Look::Broken(format!("`just drill` has no {name}")),
            }
        }
        Err(error) => Look::Broken(format!("{error:#}")),
    }
}

async fn loaded(scene: &Scene) -> anyhow::Result<Look> {
    let running = scene.prometheus.rules().await?;
    if let Some((name, error)) = running.iter().find(|(_, error)| !error.is_empty()) {
        return Ok(Look::NotYet(format!("{name}: {error}")));
    }
    let rules = &scene.artifacts.rules;
    let recordings = rules.recordings.iter().map(|rule| rule.name.as_str());
    let alerts = rules.alerts.iter().map(|alert| alert.name.as_str());
    let shipped: BTreeSet<&str> = recordings.chain(alerts).collect();
    let running: BTreeSet<&str> = running.iter().map(|(name, _)| name.as_str()).collect();
    let mut difference = shipped.symmetric_difference(&running);
    Ok(match difference.next() {
        Some(name) if shipped.contains(name) => Look::NotYet(format!("{name} does not run")),
        Some(name) => Look::NotYet(format!("{name} runs, but is not shipped")),
        None => Look::Holds(format!("{} rules", running.len())),
    })
}

async fn documented(scene: &Scene, page: &Page, query: &Documented) -> anyhow::Result<Look> {
    let id = scene
        .driven
        .trace_id(Case::ProductError)
        .unwrap_or_default();
    let text = Regex::new(SOME_ID)?.replace_all(&query.text, id);
    let text = PLACEHOLDERS_OF_ID
        .iter()
        .fold(text.into_owned(), |text, name| text.replace(name, id));
    let text = text.replace("$service", SOME_SERVICE);
    if let Some(unasked) = unknown(scene, query.language, &text).await? {
        return Ok(unasked);
    }
    let window = Window {
        range: RANGE,
        scrape: scene.interval,
        points: 500,
    };
    let is_instant = query.language == Language::PromQl;
    Ok(
        match ask::run(scene, query.language, &text, is_instant, window).await? {
            Err(look) => look,
            Ok(found) if found.count > 0 => Look::Holds(found.describe()),
            // What a fault looks like is not there without the fault.
            Ok(_) if query.is_of_fault || page.is_of_drill() => {
                Look::Holds("answers, nothing now".to_owned())
            }
            // A service tells its start once.
            Ok(_) => match ask::older_lines(scene, Some(query.language), &text).await? {
                0 => Look::NotYet("finds nothing".to_owned()),
                count => Look::Holds(format!("{count} lines, all older than the run")),
            },
        },
    )
}

/// A folder that was moved would make its claims disappear, and everything would be green.
fn nothing_is_empty(scene: &Scene) -> Look {
    let counts = Counts::of(&rows(&scene.artifacts), &[]);
    let empty: Vec<&str> = counts.empty().collect();
    if empty.is_empty() {
        Look::Holds(format!("{} kinds", Kind::ALL.len()))
    } else {
        Look::Broken(format!("no file claims any {}", empty.join(", ")))
    }
}

/// A metric that no panel, rule, page or row names is only there to be paid for.
fn metrics_are_used(scene: &Scene) -> Look {
    let mut texts: Vec<String> = scene.artifacts.queries().map(str::to_owned).collect();
    let rows = expectations::counters()
        .into_iter()
        .chain(expectations::arrivals(&scene.driven))
        .chain(expectations::closings());
    texts.extend(rows.filter_map(|row| match row.claim {
        Claim::Rises { promql, .. } | Claim::Series { promql, .. } => Some(promql),
        _ => None,
    }));
    let metrics = &scene.contract.metrics;
    let is_used = |series: &String| texts.iter().any(|text| has_word(text, series));
    let unused: Vec<&str> = metrics
        .iter()
        .filter(|metric| !metric.series().iter().any(is_used))
        .map(|metric| metric.name.as_str())
        .collect();
    if unused.is_empty() {
        Look::Holds(format!("{} metrics", metrics.len()))
    } else {
        Look::Broken(format!("nothing asks for {}", unused.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_of_an_alert_by_its_name_or_a_heading() {
        let page = Page::parse("docs/runbooks/ServiceDown.md", "# What it means\n");
        assert!(tells_of(&page, "ServiceDown") && !tells_of(&page, "Service"));
        let page = Page::parse(
            "docs/runbooks/services.md",
            "## ServiceDown\ntext ServiceUp\n",
        );
        assert!(tells_of(&page, "ServiceDown") && !tells_of(&page, "ServiceUp"));
    }
}
