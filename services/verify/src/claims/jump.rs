//! Follows a link as a click would: the template filled with real values, then what it opens is run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value as Json;

use super::dashboard::{Dashboard, Link, Panel, Query, To};
use super::template::{Place, Value, Values, expand};
use super::{Artifacts, Language};
use super::{ask, choose};
use crate::backend::Http;
use crate::check::Scene;
use crate::drive::Case;
use crate::poll::Look;

/// A link that opens a query beside a panel looks as far back as that.
const EXPLORE: Duration = Duration::from_secs(60 * 60);
/// A link is followed from this many of the rows that a panel shows.
const DIFFERENT: usize = 12;
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
) -> anyhow::Result<Look> {
    let mut values = match choose::all(scene, dashboard).await? {
        Ok(values) => values,
        Err(state) => return Ok(Look::NotYet(state)),
    };
    add_urls(&mut values);
    let template = match &link.to {
        To::Tagged(_) => return Ok(tagged(&scene.artifacts, link)),
        To::Url(url) => url.clone(),
        To::Query(query) => query.text.clone(),
    };
    let place = match link.to {
        To::Query(_) => Place::Query,
        _ => Place::Link,
    };
    // What stands in the link beyond the variables comes from what the panel shows.
    let rows = match (panel, expand(&template, &values, place)) {
        (_, Ok(_)) | (None, _) => vec![Values::new()],
        (Some(panel), Err(_)) => shown(scene, dashboard, panel, &values).await?,
    };
    let mut last = "the panel shows nothing to take the link's values from".to_owned();
    let mut followed = BTreeSet::new();
    let mut evidence = Vec::new();
    for mut row in rows {
        let cell = row.get(&format!("__data.fields.{}", link.field)).cloned();
        row.extend(cell.map(|cell| ("__value.raw".to_owned(), cell)));
        let mut all = values.clone();
        all.extend(row);
        let text = match expand(&template, &all, place) {
            Ok(text) => text,
            Err(state) => {
                last = state;
                continue;
            }
        };
        if followed.len() == DIFFERENT || !followed.insert(text.clone()) {
            continue;
        }
        let looked = match &link.to {
            To::Query(query) => {
                answered(
                    scene,
                    &Query {
                        text,
                        ..query.clone()
                    },
                )
                .await?
            }
            _ => open(scene, &text).await?,
        };
        match looked {
            Look::Holds(found) => evidence.push(found),
            other => return Ok(other),
        }
    }
    Ok(match evidence.as_slice() {
        [] if panel.is_some_and(Panel::is_of_alerts) => {
            Look::Holds("nothing fires, so nothing is linked".to_owned())
        }
        [] => Look::NotYet(last),
        all => Look::Holds(all.join("; ")),
    })
}

/// The rows of a panel's answers.
async fn shown(
    scene: &Scene,
    dashboard: &Dashboard,
    panel: &Panel,
    values: &Values,
) -> anyhow::Result<Vec<Values>> {
    let mut rows = Vec::new();
    for query in &panel.targets {
        if let Ok(source) = scene.artifacts.source(&query.source)
            && let Ok(found) = ask::ask(scene, source, query, dashboard.range, values).await?
        {
            rows.extend(found.rows);
        }
    }
    Ok(rows)
}

fn tagged(artifacts: &Artifacts, link: &Link) -> Look {
    if artifacts.dashboards.len() > 1 {
        Look::Holds(format!("{} dashboards", artifacts.dashboards.len() - 1))
    } else {
        Look::Broken(format!("{:?} lists no other dashboard", link.title))
    }
}

/// Opens an address, whoever names it.
pub(super) async fn open(scene: &Scene, url: &str) -> anyhow::Result<Look> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let parameters = parameters(query);
    if let Some(rest) = path.strip_prefix("/d/") {
        let uid = rest.split('/').next().unwrap_or_default();
        return Ok(to_dashboard(&scene.artifacts, uid, &parameters));
    }
    if path == "/explore" && !parameters.is_empty() {
        return explore(scene, &parameters).await;
    }
    if OWN_PAGES.contains(&path) {
        return match &scene.grafana {
            Some(grafana) => opened(&Http::new(grafana)?, path).await,
            None => Ok(Look::Missing("no grafana: its own pages".to_owned())),
        };
    }
    if url.starts_with("http://localhost:") {
        return address(scene, url).await;
    }
    if url.starts_with('/') || url.contains("://") {
        return Ok(Look::Broken(format!("{url} leads to what is not shipped")));
    }
    Ok(file(&scene.artifacts, "", url))
}

fn to_dashboard(artifacts: &Artifacts, uid: &str, parameters: &[(String, String)]) -> Look {
    let Some(dashboard) = artifacts.dashboard(uid) else {
        return Look::Broken(format!("there is no dashboard {uid:?}"));
    };
    let variables = parameters
        .iter()
        .filter_map(|(name, _)| name.strip_prefix("var-"));
    for name in variables {
        if !dashboard.variables.iter().any(|known| known.name == name) {
            return Look::Broken(format!("{} has no variable {name}", dashboard.title));
        }
    }
    Look::Holds(format!("{} ({})", dashboard.title, dashboard.file))
}

/// A file of the repository, from the folder of the page that names it.
pub(super) fn file(artifacts: &Artifacts, folder: &str, target: &str) -> Look {
    let path = artifacts.root.join(folder).join(target);
    if path.exists() {
        Look::Holds(target.to_owned())
    } else {
        Look::Broken(format!("there is no file {}", target))
    }
}

/// The queries in the address of Explore, in its present form and the older one.
async fn explore(scene: &Scene, parameters: &[(String, String)]) -> anyhow::Result<Look> {
    let of = |name: &str| parameters.iter().find(|(known, _)| known == name);
    let panes: Vec<Json> = if let Some((_, panes)) = of("panes") {
        let panes: BTreeMap<String, Json> =
            serde_json::from_str(panes).context("the link's panes are no JSON")?;
        panes.into_values().collect()
    } else if let Some((_, left)) = of("left") {
        vec![serde_json::from_str(left).context("the link's left side is no JSON")?]
    } else {
        return Ok(Look::Broken("the link to Explore has no query".to_owned()));
    };
    let mut evidence = Vec::new();
    for pane in &panes {
        let source = pane["datasource"].as_str().unwrap_or_default();
        for query in pane["queries"].as_array().into_iter().flatten() {
            match answered(scene, &Query::parse(query, source)).await? {
                Look::Holds(found) => evidence.push(found),
                other => return Ok(other),
            }
        }
    }
    Ok(if evidence.is_empty() {
        Look::Broken("the link to Explore has no query".to_owned())
    } else {
        Look::Holds(evidence.join(", "))
    })
}

/// A query that a link opens must find something.
pub(super) async fn answered(scene: &Scene, query: &Query) -> anyhow::Result<Look> {
    let source = match scene.artifacts.source(&query.source) {
        Ok(source) => source,
        Err(state) => return Ok(Look::Broken(state)),
    };
    let found = ask::ask(scene, source, query, EXPLORE, &Values::new()).await?;
    Ok(match found {
        Err(look) => look,
        Ok(found) if found.count > 0 => Look::Holds(found.describe()),
        Ok(_) => {
            match ask::older_lines(scene, Language::of_backend(&source.kind), &query.text).await? {
                0 => Look::NotYet(format!("{} finds nothing", query.text)),
                // A component that is well says nothing for days, a service tells its start once.
                count => Look::Holds(format!("{count} lines, all older than the run")),
            }
        }
    })
}

/// An address as the pages write it, on the ports that the running system has.
pub(super) async fn address(scene: &Scene, url: &str) -> anyhow::Result<Look> {
    let artifacts = &scene.artifacts;
    let Some((port, path)) = split(url) else {
        return Ok(Look::Broken(format!("{url} has no port")));
    };
    let (name, real) = match real_port(artifacts, port) {
        Ok(found) => found,
        Err(state) => return Ok(Look::Broken(state)),
    };
    if name.starts_with("TEMPO") {
        if let Err(missing) = scene.tempo() {
            return Ok(missing);
        }
    } else if name.starts_with("GRAFANA") && scene.grafana.is_none() {
        return Ok(Look::Missing("no grafana: its own pages".to_owned()));
    }
    let trace = scene.driven.trace_id(Case::Order).unwrap_or_default();
    let path = path.replace("TRACE_ID", trace);
    let http = Http::new(&format!("http://127.0.0.1:{real}"))?;
    opened(&http, &path).await
}

async fn opened(http: &Http, path: &str) -> anyhow::Result<Look> {
    Ok(match http.status(path).await? {
        status @ 200..400 => Look::Holds(format!("{status} from {}{path}", http.base())),
        status => Look::NotYet(format!("{}{path} answers {status}", http.base())),
    })
}

fn port_name<'a>(artifacts: &'a Artifacts, port: &str) -> Option<&'a str> {
    let shipped = artifacts.shipped.iter();
    shipped
        .filter(|(name, value)| name.ends_with("_PORT") && *value == port)
        .map(|(name, _)| name.as_str())
        .next()
}

/// The name of a port that a page names, and what it is in the running system.
pub(super) fn real_port<'a>(
    artifacts: &'a Artifacts,
    shipped: &str,
) -> Result<(&'a str, &'a str), String> {
    let name =
        port_name(artifacts, shipped).ok_or_else(|| format!("no port of .env is {shipped}"))?;
    let real = artifacts.variables.get(name);
    let real = real.ok_or_else(|| format!("{name} has no value"))?;
    Ok((name, real))
}

fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://localhost:")?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit());
    Some(rest.split_at(end.unwrap_or(rest.len())))
}

/// What Grafana puts into links besides the variables' own names.
fn add_urls(values: &mut Values) {
    let all = values.iter().map(|(name, value)| match value {
        Value::One(one) => format!("var-{name}={one}"),
        Value::Chosen(all) => {
            let pairs = all.iter().map(|value| format!("var-{name}={value}"));
            pairs.collect::<Vec<_>>().join("&")
        }
    });
    let all = all.collect::<Vec<_>>().join("&");
    let given = [
        ("__url_time_range", "from=now-1h&to=now"),
        ("__from", "1"),
        ("__to", "2"),
        ("__all_variables", all.as_str()),
    ];
    let given = given.map(|(name, value)| (name.to_owned(), Value::one(value)));
    values.extend(given);
}

fn parameters(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = (*first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The links that a text panel writes, in Markdown or HTML.
pub(super) fn links_of_text(text: &str) -> Vec<Link> {
    let markdown = text.split("](").skip(1).filter_map(|rest| {
        let before = text.split(&format!("]({rest}")).next()?;
        let title = before.rsplit('[').next()?;
        Some((title.to_owned(), rest.split([')', ' ']).next()?))
    });
    let html = text
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| Some((String::new(), rest.split('"').next()?)));
    let links = markdown.chain(html);
    links
        .map(|(title, url)| Link {
            title: if title.is_empty() {
                url.to_owned()
            } else {
                title
            },
            field: String::new(),
            to: To::Url(url.to_owned()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn artifacts() -> Artifacts {
        let json = json!({"uid": "shop-service", "title": "Service", "time": {"from": "now-1h"},
            "templating": {"list": [{"name": "service", "type": "custom", "query": "a"}]}});
        let mut artifacts = Artifacts::default();
        let dashboard = Dashboard::parse("service.json", &json).unwrap();
        artifacts.dashboards.push(Arc::new(dashboard));
        artifacts
            .shipped
            .insert("GATEWAY_PORT".into(), "8080".into());
        artifacts
    }

    #[test]
    fn a_link_to_a_dashboard_needs_the_dashboard_and_its_variables() {
        let to = |uid, query| to_dashboard(&artifacts(), uid, &parameters(query));
        assert!(matches!(
            to("shop-service", "var-service=order&from=1"),
            Look::Holds(_)
        ));
        assert_eq!(
            to("shop-service", "var-sevice=order"),
            Look::Broken("Service has no variable sevice".to_owned())
        );
        assert!(matches!(to("shop-srevice", ""), Look::Broken(_)));
    }

    #[test]
    fn an_address_is_told_by_the_port_it_is_shipped_with() {
        assert_eq!(
            split("http://localhost:8080/api/x"),
            Some(("8080", "/api/x"))
        );
        assert_eq!(port_name(&artifacts(), "8080"), Some("GATEWAY_PORT"));
        assert_eq!(port_name(&artifacts(), "8081"), None);
    }

    #[test]
    fn parameters_are_decoded() {
        let expected = ("panes".to_owned(), r#"{"a": "b"}"#.to_owned());
        assert_eq!(parameters("x&panes=%7B%22a%22:+%22b%22%7D")[1], expected);
        assert_eq!(decoded("100%"), "100%");
    }

    #[test]
    fn a_text_panel_links_in_markdown_and_html() {
        let links = links_of_text(r#"See [the drills](docs/drills) or <a href="/d/a">b</a>."#);
        assert_eq!(links[0].title, "the drills");
        assert!(matches!(&links[0].to, To::Url(url) if url == "docs/drills"));
        assert!(matches!(&links[1].to, To::Url(url) if url == "/d/a"));
    }
}
