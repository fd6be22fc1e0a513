//! Reads every file that makes a claim.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::dashboard::Dashboard;
use super::page::Page;
use super::promtool::Test;
use super::rules::{Cases, Rules};
use super::source::Source;

pub(super) const PAGES: [&str; 6] = [
    "README.md",
    "README.ja.md",
    "ARCHITECTURE.md",
    "collector/README.md",
    "grafana/README.md",
    "services/telemetry/TELEMETRY.md",
];

/// The shipped files, read; where the running system differs from them (ports), `variables` says how.
#[derive(Debug, Default)]
pub struct Artifacts {
    pub root: PathBuf,
    pub dashboards: Vec<Arc<Dashboard>>,
    pub sources: Vec<Arc<Source>>,
    pub rules: Rules,
    pub pages: Vec<Arc<Page>>,
    /// As `.env` has them, which is how the pages name addresses.
    pub shipped: BTreeMap<String, String>,
    /// As the programs were told.
    pub variables: BTreeMap<String, String>,
    /// Prometheus' tests of the rules, which take long: they may have been begun already.
    pub tests: Vec<Test>,
}

// === impl Artifacts ===

impl Artifacts {
    /// Those of a working copy, or of a changed copy of it.
    pub fn read(
        root: &Path,
        promtool: Option<&Path>,
        shipped: BTreeMap<String, String>,
        variables: BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let grafana = root.join("grafana");
        let mut artifacts = Self {
            root: root.to_owned(),
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
        for path in files(&grafana.join("prometheus/rules"), "yaml")? {
            artifacts.rules.read(&path)?;
        }
        for path in files(&grafana.join("prometheus/tests"), "yaml")? {
            let mut cases = Cases::default();
            cases.read(&path)?;
            artifacts.tests.push(Test::new(promtool, &path, cases));
        }
        let named = PAGES.iter().map(|page| root.join(page));
        let pages = named.filter(|path| path.is_file());
        for path in pages.chain(files(&root.join("docs"), "md")?) {
            artifacts.pages.push(Arc::new(Page::read(root, &path)?));
        }
        artifacts.variables = variables;
        Ok(artifacts)
    }

    /// Those of a working copy whose programs run as `.env` says.
    pub fn shipped(root: &Path) -> anyhow::Result<Self> {
        let shipped = environment(root)?;
        Self::read(root, None, shipped.clone(), shipped)
    }

    pub fn dashboard(&self, uid: &str) -> Option<&Arc<Dashboard>> {
        self.dashboards.iter().find(|one| one.uid == uid)
    }

    /// The source with this uid; without one, the default.
    pub fn source(&self, uid: &str) -> Result<&Arc<Source>, String> {
        let found = self.sources.iter().find(|source| match uid {
            "" => source.is_default,
            uid => source.uid == uid,
        });
        found.ok_or_else(|| format!("there is no data source {uid:?}"))
    }

    pub fn page(&self, file: &str) -> Option<&Page> {
        let found = self.pages.iter().find(|page| page.file == file);
        found.map(Arc::as_ref)
    }

    /// Pages below a folder: `docs/runbooks/`.
    pub fn pages_in(&self, folder: &str) -> impl Iterator<Item = &Arc<Page>> {
        self.pages
            .iter()
            .filter(move |page| page.file.starts_with(folder))
    }

    /// Whether a page says in words what this name is: `` `name` ``.
    pub fn explains(&self, name: &str) -> bool {
        let quoted = format!("`{name}`");
        let mut pages = self.pages.iter();
        pages.any(|page| page.is_reference() && page.text.contains(&quoted))
    }

    /// Every text that may hold a query: what a metric must be named in to be of any use.
    pub fn queries(&self) -> impl Iterator<Item = &str> {
        let panels = self.dashboards.iter().flat_map(|dashboard| {
            let targets = dashboard.panels.iter().flat_map(|panel| &panel.targets);
            targets.map(|target| target.text.as_str())
        });
        let recordings = self.rules.recordings.iter().map(|rule| &*rule.promql);
        let alerts = self.rules.alerts.iter().map(|alert| &*alert.promql);
        let pages = self.pages.iter().flat_map(|page| &page.queries);
        panels
            .chain(recordings)
            .chain(alerts)
            .chain(pages.map(|query| &*query.text))
    }
}

/// The names of `.env`, with the values they are shipped with.
pub fn environment(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let file = stack::Environment::read(&root.join(".env"))?;
    let all = file.iter();
    Ok(all
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// The files below a folder with this ending, by name; a missing folder has none.
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
