//! The directories and files that an instance needs before anything starts.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::json;

use crate::error::{IoContext as _, Result, failed};
use crate::instance::Instance;

const MODE: u32 = 0o755;

impl Instance {
    pub(crate) fn prepare_files(&self) -> Result<()> {
        for dir in ["data", "data/promtail", "logs", "prometheus"] {
            let dir = self.home.join(dir);
            fs::create_dir_all(&dir).context("create", &dir)?;
        }
        readable_directory(&self.shop_log_dir())?;
        // Prometheus looks for its rules and targets beside its configuration: links to the repository's files, and the
        // targets of this instance.
        let own = self.home.join("prometheus");
        let shipped = self.root.join("grafana/prometheus");
        for name in ["prometheus.yaml", "rules"] {
            link(&shipped.join(name), &own.join(name))?;
        }
        // In one step: Prometheus reads it whenever it changes, and must not see half of it.
        let (targets, written) = (own.join("targets.json"), own.join("targets.json.new"));
        fs::write(&written, self.targets()?).context("write", &written)?;
        fs::rename(&written, &targets).context("rename", &written)
    }

    /// Prometheus' targets: each component that has metrics and can run here.
    pub(crate) fn targets(&self) -> Result<String> {
        let host = self.environment.get("BIND_HOST").unwrap_or("127.0.0.1");
        let mut targets = Vec::new();
        for component in &self.topology.components {
            if let Some(port) = &component.metrics
                && self.lack(component).is_none()
            {
                let address = format!("{host}:{}", self.environment.port(port)?);
                let name = &component.name;
                targets.push(json!({
                    "targets": [address],
                    "labels": {"job": name, "component": name, "service_name": name},
                }));
            }
        }
        Ok(format!("{:#}\n", json!(targets)))
    }
}

/// A directory that only this user writes and everybody reads, as Promtail's container does without any rights of its
/// own. It is below a place where everybody may write: somebody else's directory or a link that waits there would give
/// them our logs, or our writes.
pub(crate) fn readable_directory(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).context("create", parent)?;
    }
    match DirBuilder::new().mode(MODE).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        other => return other.context("create", path),
    }
    let metadata = fs::symlink_metadata(path).context("read", path)?;
    let reason = if metadata.is_symlink() {
        "it is a link"
    } else if !metadata.is_dir() {
        "it is not a directory"
    } else if metadata.uid() != rustix::process::geteuid().as_raw() {
        "it belongs to another user"
    } else {
        if metadata.mode() & 0o777 != MODE {
            // One of an earlier version, or made under a strict umask.
            fs::set_permissions(path, fs::Permissions::from_mode(MODE)).context("change", path)?;
        }
        return Ok(());
    };
    Err(failed!(
        "{}: {reason}. Remove it, or choose another directory with SHOP_LOG_DIR",
        path.display()
    ))
}

fn link(target: &Path, place: &Path) -> Result<()> {
    if fs::read_link(place).is_ok_and(|present| present == target) {
        return Ok(());
    }
    if place.is_symlink() {
        fs::remove_file(place).context("remove", place)?;
    }
    symlink(target, place).context("link", place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_directory_can_be_read_by_all_and_written_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("below/logs");
        readable_directory(&path).unwrap();
        let mode = || fs::metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(mode(), 0o755);
        for other in [0o700, 0o777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(other)).unwrap();
            readable_directory(&path).unwrap();
            assert_eq!(mode(), 0o755, "an earlier directory of mode {other:o}");
        }
    }

    #[test]
    fn a_link_or_a_file_in_its_place_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (link, file) = (dir.path().join("link"), dir.path().join("file"));
        symlink("/etc", &link).unwrap();
        fs::write(&file, "").unwrap();
        assert!(
            readable_directory(&link)
                .unwrap_err()
                .to_string()
                .contains("it is a link")
        );
        assert!(
            readable_directory(&file)
                .unwrap_err()
                .to_string()
                .contains("not a directory")
        );
    }
}
