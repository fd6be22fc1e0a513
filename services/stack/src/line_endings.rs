//! Windows line endings: a checkout with them is refused before a program stumbles over one, far from the cause.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Whatever a program here reads that is not Rust.
pub(crate) fn check(root: &Path) -> Result<()> {
    let single = [".env", "docker-compose.yml", "justfile", ".ci/run"];
    let mut files: Vec<_> = single.iter().map(|name| root.join(name)).collect();
    collect(&root.join("collector"), false, &mut files);
    collect(&root.join("grafana"), true, &mut files);
    match files.into_iter().find(|file| has_windows_endings(file)) {
        Some(path) => Err(Error::LineEndings { path }),
        None => Ok(()),
    }
}

fn collect(folder: &Path, is_deep: bool, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    // The first that is named is the same in every run.
    entries.sort();
    for path in entries {
        if path.is_dir() {
            if is_deep {
                collect(&path, is_deep, found);
            }
        } else if path.extension().is_some_and(|suffix| suffix == "yaml") {
            found.push(path);
        }
    }
}

/// A file that is not there is missed by whoever needs it.
fn has_windows_endings(file: &Path) -> bool {
    fs::read(file).is_ok_and(|bytes| bytes.windows(2).any(|pair| pair == b"\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_with_windows_line_endings_is_named_with_the_remedy() {
        for bad in [
            ".env",
            "justfile",
            "collector/config.yaml",
            "grafana/loki/loki.yaml",
        ] {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join("collector")).unwrap();
            fs::create_dir_all(dir.path().join("grafana/loki")).unwrap();
            fs::write(dir.path().join("collector/archive-traces.yaml"), "a: 1\n").unwrap();
            check(dir.path()).unwrap();
            fs::write(dir.path().join(bad), "a: 1\r\n").unwrap();
            let error = check(dir.path()).unwrap_err().to_string();
            assert!(
                error.contains(bad) && error.contains("core.autocrlf"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_files_of_the_repository_have_none() {
        check(&crate::repository_root(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()).unwrap();
    }
}
