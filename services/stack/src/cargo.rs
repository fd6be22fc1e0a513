//! Programs of this workspace, built by cargo, which says itself where it put them: a target directory can be set in
//! places that only it looks at.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::job::{Job, Work};
use crate::process::tail;

/// Programs by their name.
pub(crate) type Programs = BTreeMap<String, PathBuf>;

/// One line of cargo's answer; most are about something else.
#[derive(Debug, Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
}

impl Instance {
    /// Builds programs; costs little when nothing has changed. `alter` adds to the command what it needs.
    ///
    /// They are named as programs of the workspace, as in `justfile`: with `--package`, cargo chooses the features of
    /// the libraries for that one alone, and compiles half of them anew for the next.
    pub(crate) fn build_programs(
        &self,
        what: &'static str,
        names: &[&str],
        alter: impl FnOnce(&mut Command),
        cancelled: &AtomicBool,
    ) -> Result<Programs> {
        let mut command = Command::new(self.environment.get("CARGO").unwrap_or("cargo"));
        command.current_dir(&self.root).args([
            "build",
            "--locked",
            "--message-format=json-render-diagnostics",
        ]);
        for name in names {
            command.args(["--bin", name]);
        }
        alter(&mut command);
        let log = self
            .home
            .join(format!("logs/cargo-{}.txt", what.replace(' ', "-")));
        let job = Job {
            work: Work::Build,
            what,
            command,
            log: log.clone(),
        };
        let programs = programs(&job.answer(&*self.report, cancelled)?);
        match names.iter().find(|name| !programs.contains_key(**name)) {
            None => Ok(programs),
            Some(name) => Err(Error::Build {
                what,
                status: format!("cargo names no program `{name}`"),
                tail: tail(&log, 0, 15),
                log,
            }),
        }
    }
}

fn programs(answer: &str) -> Programs {
    let messages = answer
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    messages
        .filter_map(|message| Some((message.target?.name, message.executable?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn programs_are_where_cargo_says_and_everything_else_in_its_answer_is_passed_over() {
        let answer = r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null,"fresh":true}
{"reason":"compiler-artifact","target":{"name":"order"},"executable":"/else/where/debug/order","fresh":false}
warning: not JSON
{"reason":"build-script-executed","package_id":"x","out_dir":"/y"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(
            programs(answer),
            Programs::from([("order".to_owned(), "/else/where/debug/order".into())])
        );
    }

    #[test]
    fn a_target_directory_of_cargos_own_configuration_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        for (file, text) in [
            (".env", include_str!("../../../.env")),
            (
                ".cargo/config.toml",
                "[build]\ntarget-dir = \"elsewhere\"\n",
            ),
            (
                "Cargo.toml",
                "[package]\nname = \"small\"\nedition = \"2024\"\n",
            ),
            (
                "Cargo.lock",
                "version = 4\n[[package]]\nname = \"small\"\nversion = \"0.0.0\"\n",
            ),
            ("src/main.rs", "fn main() {}\n"),
        ] {
            let place = root.join(file);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }
        let home = dir.path().join("home");
        fs::create_dir_all(home.join("logs")).unwrap();
        let instance = Instance::isolated(&root, &home).unwrap();
        // Of the shell that runs this test: they would win over the file.
        let alter = |command: &mut Command| {
            for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"] {
                command.env_remove(name);
            }
        };
        let programs = instance
            .build_programs("small", &["small"], alter, &AtomicBool::new(false))
            .unwrap();
        let small = programs["small"].canonicalize().unwrap();
        assert!(small.starts_with(root.canonicalize().unwrap().join("elsewhere")));
    }
}
