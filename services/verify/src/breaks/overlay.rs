//! A copy of the repository in which some files are changed: everything else is a symbolic link.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context;
use yaml_serde::Value;

use super::Replacement;

const COLLECTOR: &str = "collector/config.yaml";

/// Deleted on drop.
#[derive(Debug)]
pub struct Overlay {
    root: PathBuf,
}

/// Changed files by their path from the top; without a text, the file is left out.
type Changes = BTreeMap<PathBuf, Option<String>>;

// === impl Overlay ===

impl Overlay {
    /// Makes it in the directory `to`, which is replaced.
    pub fn new<'a>(
        root: &Path,
        to: &Path,
        replacements: impl Iterator<Item = &'a Replacement>,
        left_out: Vec<PathBuf>,
    ) -> anyhow::Result<Self> {
        let mut changes: Changes = left_out.into_iter().map(|path| (path, None)).collect();
        for replacement in replacements {
            let path = &replacement.path;
            let text = match changes.get(path) {
                Some(Some(text)) => text.clone(),
                _ => read(&root.join(path))?,
            };
            changes.insert(path.clone(), Some(replacement.apply(&text)?));
        }
        Self::make(root, to, &changes)
    }

    /// One whose Collector has `addition` in its configuration.
    pub(super) fn with_collector(root: &Path, to: &Path, addition: &Value) -> anyhow::Result<Self> {
        let mut config = yaml_serde::from_str(&read(&root.join(COLLECTOR))?)?;
        merge(&mut config, addition);
        let text = yaml_serde::to_string(&config)?;
        Self::make(root, to, &[(COLLECTOR.into(), Some(text))].into())
    }

    fn make(root: &Path, to: &Path, changes: &Changes) -> anyhow::Result<Self> {
        let overlay = Self {
            root: to.to_owned(),
        };
        overlay.remove()?;
        link(root, to, Path::new(""), changes)?;
        Ok(overlay)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    fn remove(&self) -> anyhow::Result<()> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        // The next one with this directory removes it again.
        self.remove().unwrap_or_default();
    }
}

fn link(root: &Path, to: &Path, folder: &Path, changes: &Changes) -> anyhow::Result<()> {
    fs::create_dir_all(to.join(folder))?;
    let entries = fs::read_dir(root.join(folder));
    for entry in entries.with_context(|| format!("listing {}", folder.display()))? {
        let path = folder.join(entry?.file_name());
        match changes.get(&path) {
            Some(Some(text)) => fs::write(to.join(&path), text)?,
            Some(None) => {}
            None if changes.keys().any(|changed| changed.starts_with(&path)) => {
                link(root, to, &path, changes)?;
            }
            None => symlink(root.join(&path), to.join(&path))?,
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// Adds keys to mappings and replaces everything else.
fn merge(base: &mut Value, addition: &Value) {
    match (base.as_mapping_mut(), addition.as_mapping()) {
        (Some(base), Some(addition)) => {
            for (key, value) in addition {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        _ => *base = addition.clone(),
    }
}
