//! The variables of one instance: `.env`, what the shell overrides, and what the launcher adds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{IoContext as _, Result, failed};

/// Variables by name; later writes win.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

/// Walks up from `start` to the directory that holds `.env` and `collector/config.yaml`.
pub fn repository_root(start: &Path) -> Result<PathBuf> {
    start
        .ancestors()
        .find(|dir| dir.join(".env").is_file() && dir.join("collector/config.yaml").is_file())
        .map(Path::to_owned)
        .ok_or_else(|| {
            failed!(
                "no .env and collector/config.yaml in {} or above it: run this inside the repository",
                start.display()
            )
        })
}

impl Environment {
    /// Reads a file of `NAME=value` lines. Quotes are refused: compose would remove them and we would not.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).context("read", path)?;
        let mut values = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = parse_line(line).ok_or_else(|| {
                failed!(
                    "{}:{}: expected NAME=value without quotes or spaces, found `{line}`",
                    path.display(),
                    index + 1
                )
            })?;
            values.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self(values))
    }

    /// Adds or replaces one variable.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// The value, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str> {
        let value = self.get(name);
        value.ok_or_else(|| failed!("the variable {name} is missing: .env has it"))
    }

    /// A port by the name of its variable.
    pub fn port(&self, name: &str) -> Result<u16> {
        let value = self.required(name)?;
        match value.parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(failed!("{name}={value}: expected a port from 1 to 65535")),
        }
    }

    /// Replaces each `${NAME}` in a template.
    pub fn expand(&self, template: &str) -> Result<String> {
        let mut result = String::new();
        let mut rest = template;
        while let Some(start) = rest.find("${") {
            result.push_str(&rest[..start]);
            let (name, after) = rest[start + 2..]
                .split_once('}')
                .unwrap_or((&rest[start + 2..], ""));
            result.push_str(self.required(name)?);
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }

    /// The version in an image's name: `3.14.0` in `prom/prometheus:v3.14.0`.
    #[must_use]
    pub fn version(&self, name: &str) -> Option<&str> {
        let tag = self.get(name)?.rsplit(':').next()?;
        Some(tag.trim_start_matches('v'))
    }

    /// All variables, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn parse_line(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let is_plain = !value.contains(['"', '\'', ' ', '$', '#']);
    (is_name && is_plain).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(text: &str) -> Result<Environment> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, text).unwrap();
        Environment::read(&path)
    }

    #[test]
    fn comments_and_empty_lines_are_skipped() {
        let read = environment("# a comment\n\nLOKI_PORT=3100\nEMPTY=\n").unwrap();
        assert_eq!(read.get("LOKI_PORT"), Some("3100"));
        assert_eq!(read.get("EMPTY"), Some(""));
        assert_eq!(read.iter().count(), 2);
    }

    #[test]
    fn a_line_that_compose_would_read_differently_is_refused_with_its_number() {
        for line in [
            "NAME=\"quoted\"",
            "no equals sign",
            "lower=case",
            "NAME=a # comment",
            "NAME=$OTHER",
        ] {
            let error = environment(&format!("A=1\n{line}\n"))
                .unwrap_err()
                .to_string();
            assert!(error.contains(".env:2:"), "{line}: {error}");
        }
    }

    #[test]
    fn templates_are_expanded_and_a_missing_name_is_named() {
        let environment = environment("HOST=localhost\nPORT=1\n").unwrap();
        assert_eq!(
            environment.expand("http://${HOST}:${PORT}/x").unwrap(),
            "http://localhost:1/x"
        );
        assert!(
            environment
                .expand("${ABSENT}")
                .unwrap_err()
                .to_string()
                .contains("ABSENT")
        );
    }

    #[test]
    fn a_port_out_of_range_is_refused_with_its_name_and_value() {
        let environment = environment("ZERO=0\nBIG=70000\nWORD=http\n").unwrap();
        for name in ["ZERO", "BIG", "WORD"] {
            assert!(
                environment
                    .port(name)
                    .unwrap_err()
                    .to_string()
                    .contains(name)
            );
        }
    }
}
