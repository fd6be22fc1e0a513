//! Reads every file that makes a claim.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::dashboard::Dashboard;
use super::page::Page;
use super::promtool::Test;
use super::rules::Rules;
use super::source::Source;
use super::{Unmet, Verdict};

pub(super) const PAGES: [&str; 6] = [
    "README.md",
    "README.ja.md",
    "ARCHITECTURE.md",
    "collector/README.md",
    "grafana/README.md",
    "services/telemetry/TELEMETRY.md",
];

/// The shipped files; where the running system differs from them (ports), `variables` has its values.
#[derive(Debug, Default)]
pub struct Artifacts {
    pub root: PathBuf,
    pub dashboards: Vec<Arc<Dashboard>>,
    pub sources: Vec<Arc<Source>>,
    pub rules: Rules,
    pub pages: Vec<Arc<Page>>,
    /// `.env`, whose ports the pages name.
    pub shipped: BTreeMap<String, String>,
    /// The values of the running system.
    pub variables: BTreeMap<String, String>,
    /// Prometheus' tests of the rules. They take long: they may be running already.
    pub tests: Vec<Test>,
}

// === impl Artifacts ===

impl Artifacts {
    /// Of a working copy, or of a changed copy of it.
    pub fn read(
        root: &Path,
        promtool: Option<&Path>,
        shipped: BTreeMap<String, String>,
        variables: BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let grafana = root.join("grafana");
        let mut artifacts = Self {
            root: root.to_owned(),
            rules: Rules::read(root)?,
            shipped,
            ..Self::default()
        };
        for path in files(&grafana.join("dashboards"), "json")? {
            artifacts.dashboards.push(Arc::new(Dashboard::read(&path)?));
        }
        for path in files(&grafana.join("provisioning/datasources"), "yaml")? {
            let sources = Source::read(&path, &variables)?;
            artifacts.sources.extend(sources.into_iter().map(Arc::new));
        }
        for path in files(&grafana.join("prometheus/tests"), "yaml")? {
            artifacts.tests.push(Test::read(promtool, &path)?);
        }
        let named = PAGES.iter().map(|page| root.join(page));
        let pages = named.filter(|path| path.is_file());
        for path in pages.chain(files(&root.join("docs"), "md")?) {
            artifacts.pages.push(Arc::new(Page::read(root, &path)?));
        }
        artifacts.variables = variables;
        Ok(artifacts)
    }

    /// Of a working copy whose programs run with the values of `.env`.
    pub fn shipped(root: &Path) -> anyhow::Result<Self> {
        let shipped = environment(root)?;
        Self::read(root, None, shipped.clone(), shipped)
    }

    /// The source with this uid; without one, the default.
    pub(super) fn source(&self, uid: &str) -> Verdict<&Arc<Source>> {
        let found = self.sources.iter().find(|source| match uid {
            "" => source.is_default,
            uid => source.uid == uid,
        });
        found.ok_or_else(|| Unmet::Broken(format!("there is no data source {uid:?}")))
    }

    pub fn page(&self, file: &str) -> Option<&Page> {
        let found = self.pages.iter().find(|page| page.file == file);
        found.map(Arc::as_ref)
    }

    /// Whether a reference page has this name in backticks.
    pub fn explains(&self, name: &str) -> bool {
        let quoted = format!("`{name}`");
        let mut pages = self.pages.iter();
        pages.any(|page| page.is_reference() && page.text.contains(&quoted))
    }

    /// Every query of the files.
    pub fn queries(&self) -> impl Iterator<Item = &str> {
        let panels = self
            .dashboards
            .iter()
            .flat_map(|dashboard| &dashboard.panels);
        let targets = panels.flat_map(|panel| &panel.targets);
        let recordings = self.rules.recordings.iter().map(|rule| &*rule.promql);
        let alerts = self.rules.alerts.iter().map(|alert| &*alert.promql);
        let pages = self.pages.iter().flat_map(|page| &page.queries);
        targets
            .map(|target| &*target.text)
            .chain(recordings)
            .chain(alerts)
            .chain(pages.map(|query| &*query.text))
    }
}

/// The variables of `.env`, with the values they are shipped with.
pub fn environment(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let file = stack::Environment::read(&root.join(".env"))?;
    let all = file.iter();
    Ok(all
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// The files below a folder with this ending, sorted; a missing folder has none.
pub(super) fn files(folder: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, ending)?);
        } else if path.extension().is_some_and(|is| is == ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_files_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let artifacts = Artifacts::shipped(&root).unwrap();
        assert_eq!(artifacts.source("").unwrap().uid, "prometheus");
        assert!(artifacts.page("README.md").unwrap().queries.len() > 5);
        assert!(artifacts.explains("shop.order.outcome"));
        assert!(artifacts.source("promtheus").is_err());
    }
}
