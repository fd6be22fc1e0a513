//! The files under test.

use std::path::{Path, PathBuf};

use stack::Environment;
use yaml_serde::Value;

pub(crate) fn root() -> PathBuf {
    stack::repository_root(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub(crate) fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn yaml(path: &str) -> Value {
    yaml_serde::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn env() -> Environment {
    Environment::read(&root().join(".env")).unwrap()
}

/// Files below a folder whose name ends with one of the suffixes, relative to the repository.
pub(crate) fn files(folder: &str, suffixes: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // What a build leaves behind is not ours.
            if path.is_dir() && !["target", "build", ".stack", ".git"].contains(&&*name) {
                folders.push(path);
            } else if suffixes.iter().any(|suffix| name.ends_with(suffix)) {
                found.push(
                    path.strip_prefix(root())
                        .unwrap()
                        .to_string_lossy()
                        .into_owned(),
                );
            }
        }
    }
    found.sort();
    found
}

/// The text without whole-line comments.
pub(crate) fn without_comments(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Keys of a mapping, or nothing.
pub(crate) fn keys(value: &Value) -> Vec<String> {
    let mapping = value.as_mapping().into_iter().flatten();
    mapping
        .map(|(key, _)| key.as_str().unwrap().to_owned())
        .collect()
}

/// Strings of a list, or nothing.
pub(crate) fn strings(value: &Value) -> Vec<String> {
    value
        .as_sequence()
        .into_iter()
        .flatten()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}
