//! Follows a link as a click does: its template gets real values, then the address that it gives is opened.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use reqwest::Url;
use serde_json::Value as Json;

use super::dashboard::{Dashboard, Link, Panel, Query, To};
use super::template::{Place, Value, Values, expand};
use super::{Artifacts, Unmet, Verdict, broken, moved, needs, not_yet, query, variable};
use crate::backend::Http;
use crate::check::Scene;

/// A link is followed from at most this many rows of its panel.
const ROWS: usize = 12;
/// Pages that every Grafana has.
const OWN_PAGES: [&str; 5] = [
    "/",
    "/alerting",
    "/alerting/list",
    "/explore",
    "/dashboards",
];

pub(super) async fn follow(
    scene: &Scene,
    dashboard: &Dashboard,
    panel: Option<&Panel>,
    link: &Link,
) -> Verdict {
    let template = match &link.to {
        To::Dashboards => return other_dashboards(&scene.artifacts, link),
        To::Unread(what) => return Err(Unmet::unread(what)),
        To::Url(url) => url,
    };
    let mut values = variable::values(scene, dashboard).await?;
    values.extend(
        [
            ("__url_time_range", "from=now-1h&to=now"),
            ("__from", "1"),
            ("__to", "2"),
        ]
        .map(|(name, value)| (name.to_owned(), Value::one(value))),
    );
    // Values that are not the dashboard's come from the rows of the panel.
    let rows = match (panel, expand(template, &values, Place::Link)) {
        (Some(panel), Err(_)) => moved::rows(scene, dashboard, panel, template, &values).await?,
        _ => vec![Values::new()],
    };
    let mut last =
        Unmet::NotYet("the panel has no row of this run with values for the link".to_owned());
    let mut followed = BTreeSet::new();
    let mut evidence = Vec::new();
    for mut row in rows {
        let cell = row.get(&format!("__data.fields.{}", link.field)).cloned();
        row.extend(cell.map(|cell| ("__value.raw".to_owned(), cell)));
        row.extend(values.clone());
        match expand(template, &row, Place::Link) {
            Err(unmet) => last = unmet,
            Ok(url) if followed.len() < ROWS && followed.insert(url.clone()) => {
                evidence.push(open(scene, &url).await?);
            }
            Ok(_) => {}
        }
    }
    match evidence.is_empty() {
        false => Ok(evidence.join("; ")),
        true if panel.is_some_and(Panel::is_of_alerts) => {
            Ok("no alert fires, so nothing is linked".to_owned())
        }
        true => Err(last),
    }
}

fn other_dashboards(artifacts: &Artifacts, link: &Link) -> Verdict {
    match artifacts.dashboards.len() {
        0 | 1 => broken(format!("{:?} lists no other dashboard", link.title)),
        several => Ok(format!("{} dashboards", several - 1)),
    }
}

/// Opens an address of Grafana, of this machine, or a file of the repository.
pub(super) async fn open(scene: &Scene, url: &str) -> Verdict {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let parameters = parameters(query)?;
    if let Some(rest) = path.strip_prefix("/d/") {
        let uid = rest.split('/').next().unwrap_or_default();
        return to_dashboard(&scene.artifacts, uid, &parameters);
    }
    if path == "/explore" && !parameters.is_empty() {
        return explore(scene, &parameters).await;
    }
    if OWN_PAGES.contains(&path) {
        needs::check(scene, ["grafana"])?;
        return answered(scene.grafana.as_deref().unwrap_or_default(), path).await;
    }
    if url.starts_with("http://localhost:") {
        return address(scene, url).await;
    }
    if url.starts_with('/') || url.contains("://") {
        return broken(format!("{url} leads to a page that is not shipped"));
    }
    file(&scene.artifacts, "", url)
}

fn to_dashboard(artifacts: &Artifacts, uid: &str, parameters: &[(String, String)]) -> Verdict {
    let mut dashboards = artifacts.dashboards.iter();
    let dashboard = dashboards
        .find(|one| one.uid == uid)
        .ok_or_else(|| Unmet::Broken(format!("there is no dashboard {uid:?}")))?;
    let title = &dashboard.title;
    let mut names = parameters
        .iter()
        .filter_map(|(name, _)| name.strip_prefix("var-"));
    match names.find(|name| !dashboard.variables.iter().any(|one| one.name == *name)) {
        Some(name) => broken(format!("{title} has no variable {name}")),
        None => Ok(format!("{title} ({})", dashboard.file)),
    }
}

/// A file of the repository, from the folder of the page that links to it.
pub(super) fn file(artifacts: &Artifacts, folder: &str, target: &str) -> Verdict {
    match artifacts.root.join(folder).join(target).exists() {
        true => Ok(target.to_owned()),
        false => broken(format!("there is no file {target}")),
    }
}

/// Each query in an address of Explore has a result.
async fn explore(scene: &Scene, parameters: &[(String, String)]) -> Verdict {
    let panes = panes(parameters)?;
    let mut evidence = Vec::new();
    for pane in panes.values() {
        let source = pane["datasource"].as_str().unwrap_or_default();
        for one in pane["queries"].as_array().into_iter().flatten() {
            let one = Query::parse(one, source);
            let asked = query::asked(scene, &one, query::RANGE, &Values::new())?;
            evidence.push(query::run_or_older_lines(scene, &asked).await?);
        }
    }
    match evidence.is_empty() {
        true => broken("the link to Explore has no query"),
        false => Ok(evidence.join(", ")),
    }
}

/// The panes of Explore, by their ids.
pub(super) fn panes(parameters: &[(String, String)]) -> Verdict<BTreeMap<String, Json>> {
    let panes = parameters.iter().find(|(name, _)| name == "panes");
    let (_, panes) = panes.ok_or_else(|| Unmet::unread("a link to Explore without panes"))?;
    Ok(serde_json::from_str(panes).context("the link's panes are not JSON")?)
}

/// An address of a page, on the port of the running system.
pub(super) async fn address(scene: &Scene, url: &str) -> Verdict {
    let artifacts = &scene.artifacts;
    let (port, path) = split(url).ok_or_else(|| Unmet::Broken(format!("{url} has no port")))?;
    let (name, real) = real_port(artifacts, port)?;
    needs::check(scene, needs::of_port(name))?;
    let trace = scene.driven.trace_id("order").unwrap_or_default();
    let path = path.replace("TRACE_ID", trace);
    answered(&format!("http://127.0.0.1:{real}"), &path).await
}

async fn answered(base: &str, path: &str) -> Verdict {
    match Http::new(base)?.status(path).await? {
        status @ 200..400 => Ok(format!("{status} from {base}{path}")),
        status => not_yet(format!("{base}{path} answers {status}")),
    }
}

/// The name of a port that a page has, and its value in the running system.
pub(super) fn real_port<'a>(artifacts: &'a Artifacts, port: &str) -> Verdict<(&'a str, &'a str)> {
    let mut ports = artifacts
        .shipped
        .iter()
        .filter(|(name, _)| name.ends_with("_PORT"));
    let (name, _) = ports
        .find(|(_, value)| *value == port)
        .ok_or_else(|| Unmet::Broken(format!("no port of .env is {port}")))?;
    let real = artifacts.variables.get(name);
    let real = real.ok_or_else(|| Unmet::Broken(format!("{name} has no value")))?;
    Ok((name, real))
}

fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://localhost:")?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit());
    Some(rest.split_at(end.unwrap_or(rest.len())))
}

/// The decoded parameters of an address.
fn parameters(query: &str) -> Verdict<Vec<(String, String)>> {
    let url = Url::parse(&format!("http://localhost/?{query}")).context("the address of a link")?;
    Ok(url.query_pairs().into_owned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn artifacts() -> Artifacts {
        let json = json!({"uid": "shop-service", "title": "Service", "time": {"from": "now-1h"},
            "templating": {"list": [{"name": "service", "type": "query", "query": "label_values(a)"}]}});
        let mut artifacts = Artifacts::default();
        let dashboard = Dashboard::parse("service.json", &json).unwrap();
        artifacts.dashboards.push(dashboard.into());
        for ports in [&mut artifacts.shipped, &mut artifacts.variables] {
            ports.insert("GATEWAY_PORT".into(), "8080".into());
        }
        artifacts
    }

    #[test]
    fn a_link_to_a_dashboard_needs_the_dashboard_and_its_variables() {
        let to = |uid, query| to_dashboard(&artifacts(), uid, &parameters(query).unwrap());
        assert!(to("shop-service", "var-service=order&from=1").is_ok());
        assert_eq!(
            to("shop-service", "var-sevice=order"),
            broken("Service has no variable sevice")
        );
        assert!(to("shop-srevice", "").is_err());
    }

    #[test]
    fn an_address_is_split_and_its_port_is_one_of_env() {
        assert_eq!(
            split("http://localhost:8080/api/x"),
            Some(("8080", "/api/x"))
        );
        assert_eq!(
            real_port(&artifacts(), "8080"),
            Ok(("GATEWAY_PORT", "8080"))
        );
        assert!(real_port(&artifacts(), "8081").is_err());
    }
}
