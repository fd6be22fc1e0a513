//! Changes copies of the shipped files and sees that the row goes red that makes the claim, and says what is wrong.
//!
//! The running stack stays as it is: it is the file that lies about it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use super::Artifacts;
use super::dashboard::{Dashboard, Panel};
use super::files::files;
use super::source::From;

/// One change, and the row that must tell it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub name: &'static str,
    change: fn(&Artifacts, &Path) -> anyhow::Result<Red>,
}

/// The row that must go red, and a word that it must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Red {
    pub row: String,
    /// The row as it is called without the change, if the change is in its name.
    pub unchanged: String,
    pub word: String,
}

pub const FAULTS: [Fault; 8] = [
    Fault {
        name: "a renamed metric",
        change: |artifacts, copy| {
            misspell(artifacts, copy, "shop_orders_total", "shop_ordres_total")
        },
    },
    Fault {
        name: "a dropped label",
        change: |artifacts, copy| {
            misspell(artifacts, copy, "shop_order_outcome", "shop_order_outcom")
        },
    },
    Fault {
        name: "a wrong data source uid",
        change: wrong_source,
    },
    Fault {
        name: "a panel without data",
        change: empty_panel,
    },
    Fault {
        name: "a dead derived field",
        change: dead_field,
    },
    Fault {
        name: "an alert that can never fire",
        change: mute_alert,
    },
    Fault {
        name: "a query with a typo in README.md",
        change: typo,
    },
    Fault {
        name: "a command with a typo in README.md",
        change: mistyped,
    },
];

/// A copy of the files that make claims; gone when it is dropped.
#[derive(Debug)]
pub struct Copy {
    root: PathBuf,
}

// === impl Fault ===

impl Fault {
    /// Makes the change in a copy.
    pub fn apply(&self, artifacts: &Artifacts, copy: &Copy) -> anyhow::Result<Red> {
        (self.change)(artifacts, copy.root())
    }
}

// === impl Copy ===

impl Copy {
    pub fn of(root: &Path, number: usize) -> anyhow::Result<Self> {
        let process = std::process::id();
        let copy = Self {
            root: std::env::temp_dir().join(format!("otel-shop-verify-{process}-{number}")),
        };
        let mut all = Vec::new();
        for (folder, endings) in [
            ("grafana/dashboards", ["json", "md"]),
            ("grafana/provisioning", ["yaml", "md"]),
            ("grafana/prometheus", ["yaml", "md"]),
            ("docs", ["md", "md"]),
        ] {
            for ending in endings {
                all.extend(files(&root.join(folder), ending)?);
            }
        }
        all.extend(super::files::PAGES.map(|page| root.join(page)));
        for file in all.iter().filter(|file| file.is_file()) {
            let to = copy.root.join(file.strip_prefix(root)?);
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)
                    .with_context(|| format!("creating {}", folder.display()))?;
            }
            fs::copy(file, &to).with_context(|| format!("copying to {}", to.display()))?;
        }
        Ok(copy)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What is left over in the directory for temporary files does no harm.
        fs::remove_dir_all(&self.root).unwrap_or_default();
    }
}

/// The first panel of all dashboards that is `wanted`.
fn panel_with(
    artifacts: &Artifacts,
    wanted: impl Fn(&Panel) -> bool,
) -> anyhow::Result<(&Dashboard, &Panel)> {
    let panels = artifacts.dashboards.iter().flat_map(|dashboard| {
        let panels = dashboard.panels.iter();
        panels.map(move |panel| (dashboard.as_ref(), panel))
    });
    let mut panels = panels.filter(|(_, panel)| wanted(panel));
    panels.next().context("no panel to change")
}

fn red(row: String, word: &str) -> Red {
    Red {
        unchanged: row.clone(),
        row,
        word: word.to_owned(),
    }
}

fn name(dashboard: &Dashboard, panel: &Panel) -> String {
    format!("panel {} / {}", dashboard.title, panel.title)
}

fn dashboard_file(copy: &Path, dashboard: &Dashboard) -> PathBuf {
    copy.join("grafana/dashboards").join(&dashboard.file)
}

/// Replaces `from` in the file by `to`; a file that does not have it is no proof.
fn replace(file: &Path, from: &str, to: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    if !text.contains(from) {
        bail!("{} does not have {from:?}", file.display());
    }
    Ok(fs::write(file, text.replace(from, to))?)
}

fn misspell(artifacts: &Artifacts, copy: &Path, from: &str, to: &str) -> anyhow::Result<Red> {
    let asks = |panel: &Panel| {
        let mut targets = panel.targets.iter();
        targets.any(|target| super::names::has_word(&target.text, from))
    };
    let (dashboard, panel) = panel_with(artifacts, asks)?;
    replace(&dashboard_file(copy, dashboard), from, to)?;
    Ok(red(name(dashboard, panel), to))
}

fn wrong_source(artifacts: &Artifacts, copy: &Path) -> anyhow::Result<Red> {
    let (dashboard, panel) = panel_with(artifacts, |panel| {
        let mut targets = panel.targets.iter();
        targets.any(|target| target.source == "prometheus")
    })?;
    edit(&dashboard_file(copy, dashboard), |json| {
        each_object(json, &mut |object| {
            if object["uid"] == "prometheus" {
                object["uid"] = "promtheus".into();
            }
        });
    })?;
    Ok(red(name(dashboard, panel), "no data source \"promtheus\""))
}

fn empty_panel(artifacts: &Artifacts, copy: &Path) -> anyhow::Result<Red> {
    let (dashboard, panel) = panel_with(artifacts, |panel| {
        panel.kind == "timeseries" && panel.targets.iter().all(|to| to.source == "prometheus")
    })?;
    edit(&dashboard_file(copy, dashboard), |json| {
        each_object(json, &mut |object| {
            if object["title"] == panel.title.as_str() && object["targets"].is_array() {
                object["targets"][0]["expr"] = "up > 2".into();
            }
        });
    })?;
    Ok(red(name(dashboard, panel), "no data: up > 2"))
}

fn dead_field(artifacts: &Artifacts, copy: &Path) -> anyhow::Result<Red> {
    let loki = artifacts
        .sources
        .iter()
        .find(|source| source.kind == "loki");
    let loki = loki.context("no Loki")?;
    let link = loki.links.first().context("no derived field")?;
    let From::Line { matcher, .. } = &link.from else {
        bail!("{} does not begin with a derived field", loki.uid);
    };
    let matcher = format!("matcherRegex: {matcher}");
    let sources = copy.join("grafana/provisioning/datasources");
    replace(
        &sources.join("loki.yaml"),
        &matcher,
        "matcherRegex: traceid",
    )?;
    Ok(red(
        format!("link {}", link.name),
        "\"traceid\" matches nothing",
    ))
}

/// Its threshold becomes one that nothing reaches.
fn mute_alert(artifacts: &Artifacts, copy: &Path) -> anyhow::Result<Red> {
    // The one whose tests are the shortest to run.
    let tests = artifacts.tests.iter();
    let cheapest = tests
        .filter(|test| !test.cases.fires.is_empty())
        .min_by_key(|test| test.size());
    let cases = &cheapest.context("no alert is tested")?.cases;
    let mut alerts = artifacts.rules.alerts.iter();
    let alert = alerts.find(|alert| cases.fires.contains(&alert.name));
    let alert = alert.context("the tests are about no alert of the rules")?;
    let file = copy.join("grafana/prometheus/rules").join(&alert.file);
    let text = fs::read_to_string(&file)?;
    let mut document: yaml_serde::Value = yaml_serde::from_str(&text)?;
    let groups = document["groups"].as_sequence_mut().into_iter().flatten();
    let rules = groups
        .filter_map(|group| group["rules"].as_sequence_mut())
        .flatten();
    for rule in rules.filter(|rule| rule["alert"].as_str() == Some(&alert.name)) {
        let muted = format!("({}) > 1e15", alert.promql.trim());
        rule["expr"] = yaml_serde::Value::String(muted);
    }
    fs::write(&file, yaml_serde::to_string(&document)?)?;
    let row = format!("alert {} fires and stays quiet (promtool)", alert.name);
    Ok(red(row, &format!("alertname: {},", alert.name)))
}

fn typo(artifacts: &Artifacts, copy: &Path) -> anyhow::Result<Red> {
    const RIGHT: &str = "http_requests_total";
    const WRONG: &str = "http_request_total";
    let readme = artifacts.page("README.md").context("no README.md")?;
    let mut queries = readme.queries.iter();
    let query = queries
        .find(|query| query.text == RIGHT)
        .context("README.md has no such query")?;
    replace(&copy.join("README.md"), RIGHT, WRONG)?;
    Ok(Red {
        row: format!("README.md:{} {WRONG}", query.line),
        unchanged: format!("README.md:{} {RIGHT}", query.line),
        word: format!("no metric {WRONG}"),
    })
}

fn mistyped(artifacts: &Artifacts, copy: &Path) -> anyhow::Result<Red> {
    let readme = artifacts.page("README.md").context("no README.md")?;
    let mut commands = readme.commands();
    let typed = commands
        .find(|typed| typed.text.contains("/api/orders "))
        .context("README.md places no order")?;
    replace(&copy.join("README.md"), "/api/orders ", "/api/order ")?;
    let row = format!("README.md:{} works as it is typed", typed.line);
    Ok(red(row, "is answered 404"))
}

fn edit(file: &Path, change: impl FnOnce(&mut Value)) -> anyhow::Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let mut json = serde_json::from_str(&text)?;
    change(&mut json);
    Ok(fs::write(file, serde_json::to_string_pretty(&json)?)?)
}

fn each_object(json: &mut Value, change: &mut impl FnMut(&mut Value)) {
    if json.is_object() {
        change(json);
    }
    match json {
        Value::Object(fields) => fields.values_mut().for_each(|one| each_object(one, change)),
        Value::Array(items) => items.iter_mut().for_each(|one| each_object(one, change)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::rows;

    #[test]
    fn each_fault_changes_a_copy_of_the_shipped_files_and_names_a_row_of_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let shipped = Artifacts::shipped(&root).unwrap();
        let environment = crate::claims::environment(&root).unwrap();
        let read = |copy: &Copy| {
            let (shipped, variables) = (environment.clone(), environment.clone());
            Artifacts::read(copy.root(), None, shipped, variables).unwrap()
        };
        for (number, fault) in FAULTS.iter().enumerate() {
            let copy = Copy::of(&root, number).unwrap();
            let red = fault.apply(&shipped, &copy).unwrap();
            let before = rows(&shipped);
            let after = rows(&read(&copy));
            let has =
                |rows: &[crate::claim::Row], name: &str| rows.iter().any(|row| row.name == name);
            assert!(
                has(&before, &red.unchanged),
                "{}: no row {}",
                fault.name,
                red.unchanged
            );
            assert!(has(&after, &red.row), "{}: no row {}", fault.name, red.row);
            let gone = copy.root().to_owned();
            drop(copy);
            assert!(!gone.exists());
        }
    }
}
