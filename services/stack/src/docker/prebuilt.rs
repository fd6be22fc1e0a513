//! Static binaries of ours for images that hold nothing else.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use crate::cargo::Programs;
use crate::error::{Error, IoContext as _, Result};
use crate::instance::Instance;

/// What a linker says that finds no static C library, as different ones say it.
const NO_STATIC_LIBRARY: &[&str] = &[
    "cannot find -lc:",
    "cannot find -lc\n",
    "cannot find -lm",
    "cannot find -lpthread",
    "cannot find -lgcc_eh",
    "unable to find library -lc",
    "library not found: -lc",
];

impl Instance {
    /// Builds the probe and the named services, and puts them where `services/Dockerfile` takes them from.
    pub(crate) fn provide_prebuilt(&self, services: &[&str]) -> Result<()> {
        let place = self.images_dir().join("prebuilt");
        // Copied into images as the directories that are somebody's: those have to come from somewhere.
        let empty = place.join("empty");
        fs::create_dir_all(&empty).context("create", &empty)?;
        let names: Vec<_> = ["probe"].iter().chain(services).copied().collect();
        let built = self.build_static(&names)?;
        for name in names {
            copy_if_newer(&built[name], &place.join(name))?;
        }
        Ok(())
    }

    /// What images are made of.
    pub(crate) fn images_dir(&self) -> PathBuf {
        self.home.join("images")
    }

    fn build_static(&self, names: &[&str]) -> Result<Programs> {
        let host = self.host_triple()?;
        let what = if names.len() > 1 {
            "static services"
        } else {
            "static probe"
        };
        let alter = |command: &mut Command| {
            command
                .env("RUSTFLAGS", "-C target-feature=+crt-static")
                // The target is named, or build scripts and procedural macros would be static too.
                .args(["--release", "--target", &host]);
        };
        self.build_programs(what, names, alter, &AtomicBool::new(false))
            .map_err(explained)
    }

    fn host_triple(&self) -> Result<String> {
        let rustc = PathBuf::from(self.environment.get("RUSTC").unwrap_or("rustc"));
        let output = Command::new(&rustc)
            .arg("-vV")
            .output()
            .context("start", &rustc)?;
        let text = String::from_utf8_lossy(&output.stdout);
        host_in(&text)
            .ok_or_else(|| io::Error::other("it does not name its host"))
            .context("understand", &rustc)
    }
}

/// A linker's complaint about a missing static library becomes a sentence about what to install.
fn explained(error: Error) -> Error {
    match error {
        Error::Build { log, tail, .. } if lacks_static_library(&log, &tail) => {
            Error::StaticLibraries { log }
        }
        other => other,
    }
}

fn lacks_static_library(log: &Path, tail: &str) -> bool {
    // The complaint may be above the last lines.
    let text = fs::read_to_string(log).unwrap_or_else(|_| tail.to_owned());
    NO_STATIC_LIBRARY.iter().any(|words| text.contains(words))
}

fn host_in(version: &str) -> Option<String> {
    let mut lines = version.lines();
    lines.find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
}

/// Unchanged files keep the images that were made of them.
fn copy_if_newer(from: &Path, to: &Path) -> Result<()> {
    let made = fs::metadata(from).context("read", from)?;
    let is_current = fs::metadata(to).is_ok_and(|present| {
        present.len() == made.len()
            && present
                .modified()
                .is_ok_and(|at| made.modified().is_ok_and(|made| at >= made))
    });
    if is_current {
        return Ok(());
    }
    let next = to.with_extension("next");
    fs::copy(from, &next).context("copy", from)?;
    fs::set_permissions(&next, fs::Permissions::from_mode(0o755)).context("change", &next)?;
    fs::rename(&next, to).context("rename", &next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_from_the_compilers_version() {
        let version =
            "rustc 1.95.0\nbinary: rustc\nhost: aarch64-unknown-linux-gnu\nrelease: 1.95.0\n";
        assert_eq!(
            host_in(version).as_deref(),
            Some("aarch64-unknown-linux-gnu")
        );
        assert_eq!(host_in("rustc 1.95.0\n"), None);
    }

    #[test]
    fn a_missing_static_library_is_told_from_other_failures_and_says_what_to_install() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("cargo-static.txt");
        let failure = |text: &str| {
            fs::write(&log, text).unwrap();
            explained(Error::Build {
                what: "static probe",
                status: "exit status: 101".into(),
                log: log.clone(),
                tail: String::new(),
            })
            .to_string()
        };
        let linker =
            failure("/usr/bin/ld: cannot find -lc: No such file or directory\nerror: aborting\n");
        assert!(linker.contains("glibc-static"), "{linker}");
        let other = failure("error[E0425]: cannot find value `x`\n");
        assert!(!other.contains("glibc-static"), "{other}");
    }

    #[test]
    fn a_file_that_did_not_change_is_not_copied_again() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::write(&from, "one").unwrap();
        copy_if_newer(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "one");
        assert_eq!(
            fs::metadata(&to).unwrap().permissions().mode() & 0o777,
            0o755
        );
        fs::write(&to, "two").unwrap();
        copy_if_newer(&from, &to).unwrap();
        assert_eq!(
            fs::read_to_string(&to).unwrap(),
            "two",
            "same length, and newer"
        );
        fs::write(&from, "three").unwrap();
        copy_if_newer(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "three");
    }
}
