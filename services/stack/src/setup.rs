//! What a component was started with, so that a later command can say what has changed since.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;

/// A fingerprint of each thing by its name: never the value, which may be a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Setup(BTreeMap<String, String>);

/// A configuration file with its content.
pub(crate) struct Text {
    pub(crate) path: PathBuf,
    pub(crate) content: String,
}

/// A file, or all files below a directory; a link counts as what it leads to. What is not there is missed by the
/// program that wants it.
pub(crate) fn read_all(place: &Path) -> Vec<Text> {
    let Ok(place) = place.canonicalize() else {
        return Vec::new();
    };
    if !place.is_dir() {
        let bytes = fs::read(&place).unwrap_or_default();
        let content = String::from_utf8_lossy(&bytes).into_owned();
        return vec![Text {
            path: place,
            content,
        }];
    }
    let entries = fs::read_dir(&place).into_iter().flatten().flatten();
    let mut below: Vec<_> = entries.map(|entry| entry.path()).collect();
    below.sort();
    below.iter().flat_map(|path| read_all(path)).collect()
}

/// The names of variables that occur in a text, and other words in capitals.
pub(crate) fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .collect()
}

// === impl Setup ===

impl Setup {
    pub(crate) fn add(&mut self, name: impl Into<String>, value: &str) {
        let fingerprint = Fingerprint::new().text(value).hex();
        self.0.insert(name.into(), fingerprint);
    }

    /// What is not the same now, in words. Nothing is known of what was started without one.
    pub(crate) fn difference(&self, now: &Self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let names: BTreeSet<_> = self.0.keys().chain(now.0.keys()).collect();
        let changed: Vec<_> = names
            .into_iter()
            .filter(|name| self.0.get(*name) != now.0.get(*name))
            .map(String::as_str)
            .collect();
        match *changed {
            [] => None,
            [one] => Some(format!("{one} has changed")),
            _ => Some(format!("{} have changed", changed.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(entries: &[(&str, &str)]) -> Setup {
        let mut setup = Setup::default();
        for (name, value) in entries {
            setup.add(*name, value);
        }
        setup
    }

    #[test]
    fn what_has_changed_came_or_went_is_named_and_no_value_is_kept() {
        let before = setup(&[("PORT", "1"), ("TOKEN", "secret"), ("a.yaml", "x")]);
        assert_eq!(before.difference(&before), None);
        let now = setup(&[("PORT", "2"), ("TOKEN", "secret"), ("a.yaml", "x")]);
        assert_eq!(before.difference(&now).unwrap(), "PORT has changed");
        let now = setup(&[("TOKEN", "secret"), ("a.yaml", "y"), ("b.yaml", "")]);
        assert_eq!(
            before.difference(&now).unwrap(),
            "PORT, a.yaml, b.yaml have changed"
        );
        assert_eq!(Setup::default().difference(&now), None);
        assert!(!serde_json::to_string(&before).unwrap().contains("secret"));
    }

    #[test]
    fn a_variable_counts_by_its_whole_name() {
        let found = words("endpoint: ${env:LOKI_HOST}:${LOKI_PORT} # STACK_DATA");
        assert!(found.contains("LOKI_HOST") && found.contains("LOKI_PORT"));
        assert!(!found.contains("STACK") && !found.contains("LOKI"));
    }

    #[test]
    fn files_below_a_directory_are_read_through_links() {
        let dir = tempfile::tempdir().unwrap();
        let rules = dir.path().join("rules");
        fs::create_dir(&rules).unwrap();
        fs::write(rules.join("one.yaml"), "1").unwrap();
        fs::write(rules.join("two.yaml"), "2").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&rules, &link).unwrap();
        let read: Vec<_> = read_all(&link)
            .into_iter()
            .map(|text| text.content)
            .collect();
        assert_eq!(read, ["1", "2"]);
        assert!(read_all(&dir.path().join("absent")).is_empty());
    }
}
