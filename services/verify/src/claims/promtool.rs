//! Prometheus' own tests of the rules: that each alert fires on bad numbers and stays quiet on good ones.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, OnceCell};

use super::Artifacts;
use super::rules::{Alert, Cases};
use crate::poll::Look;

/// One file of tests.
#[derive(Debug)]
pub struct Test {
    promtool: Option<PathBuf>,
    path: PathBuf,
    pub cases: Cases,
    running: Mutex<Option<Child>>,
    said: OnceCell<Said>,
}

/// What `promtool test rules` says of it.
#[derive(Clone, Debug)]
struct Said {
    has_passed: bool,
    text: String,
}

/// The one that was built with Prometheus, newest first.
pub fn find(repository: &Path) -> Option<PathBuf> {
    let built = std::fs::read_dir(repository.join(".stack/bin")).ok()?;
    let mut found: Vec<PathBuf> = built
        .filter_map(|entry| Some(entry.ok()?.path().join("promtool")))
        .filter(|path| path.is_file())
        .collect();
    found.sort_by_key(|path| path.metadata().and_then(|meta| meta.modified()).ok());
    found.pop()
}

// === impl Test ===

impl Test {
    pub fn new(promtool: Option<&Path>, path: &Path, cases: Cases) -> Self {
        Self {
            promtool: promtool.map(Path::to_owned),
            path: path.to_owned(),
            cases,
            running: Mutex::new(None),
            said: OnceCell::new(),
        }
    }

    /// Of its text: what is long runs long.
    pub(super) fn size(&self) -> u64 {
        self.path.metadata().map_or(0, |file| file.len())
    }

    /// Starts it, so that it is over when its answer is wanted: windows of days take promtool a minute.
    pub async fn begin(&self) -> anyhow::Result<()> {
        if let Some(promtool) = &self.promtool {
            let mut running = self.running.lock().await;
            if running.is_none() {
                *running = Some(self.start(promtool)?);
            }
        }
        Ok(())
    }

    /// Below everything else that runs meanwhile.
    fn start(&self, promtool: &Path) -> anyhow::Result<Child> {
        let mut command = Command::new("nice");
        command.args(["-n", "10"]).arg(promtool);
        command.args(["test", "rules"]).arg(&self.path);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().context("promtool does not start")
    }

    async fn said(&self) -> Result<&Said, Look> {
        let Some(promtool) = &self.promtool else {
            return Err(Look::Missing("no promtool: tests of the rules".to_owned()));
        };
        let run = async || {
            let begun = self.running.lock().await.take();
            let child = match begun {
                Some(child) => child,
                None => self.start(promtool)?,
            };
            let output = child.wait_with_output().await?;
            let text = [output.stdout, output.stderr].concat();
            anyhow::Ok(Said {
                has_passed: output.status.success(),
                text: String::from_utf8_lossy(&text).into_owned(),
            })
        };
        let said = self.said.get_or_try_init(run).await;
        said.map_err(|error| Look::Broken(format!("{error:#}")))
    }
}

/// The files with a case of the alert say that it fires and stays quiet as it should.
pub(super) async fn alert(artifacts: &Artifacts, alert: &Alert) -> Look {
    let name = &alert.name;
    let tests = || artifacts.tests.iter();
    if !tests().any(|test| test.cases.fires.contains(name)) {
        return Look::Broken("no test sees it fire".to_owned());
    }
    if !tests().any(|test| test.cases.quiet.contains(name)) {
        return Look::Broken("no test sees it stay quiet".to_owned());
    }
    for test in tests().filter(|test| test.cases.names(name)) {
        match test.said().await {
            Err(look) => return look,
            Ok(said) => {
                if let Some(state) = said.about(name).or_else(|| said.of_the_file()) {
                    return Look::Broken(state);
                }
            }
        }
    }
    Look::Holds("fires in one case, is quiet in another".to_owned())
}

pub(super) async fn all(artifacts: &Artifacts) -> Look {
    for test in &artifacts.tests {
        match test.said().await {
            Err(look) => return look,
            Ok(said) if said.has_passed => {}
            Ok(said) => {
                let failed = said
                    .text
                    .lines()
                    .skip_while(|line| !line.contains("FAILED"));
                let told: Vec<&str> = failed.map(str::trim).take(4).collect();
                return Look::Broken(told.join(" "));
            }
        }
    }
    Look::Holds(format!("{} files of tests", artifacts.tests.len()))
}

// === impl Said ===

impl Said {
    /// What failed about one alert: `alertname: NAME, time: 10m,` and what was expected.
    fn about(&self, alert: &str) -> Option<String> {
        let heading = format!("alertname: {alert},");
        let mut lines = self
            .text
            .lines()
            .skip_while(|line| !line.contains(&heading));
        let first = lines.next()?.trim();
        let more: Vec<&str> = lines.take(6).map(str::trim).collect();
        Some(format!("{first} {}", more.join(" ")))
    }

    /// What is wrong with the whole file, so that no case of it was run.
    fn of_the_file(&self) -> Option<String> {
        if self.has_passed || self.text.contains("alertname: ") || self.text.contains("expr: ") {
            return None;
        }
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        Some(lines.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_case_is_told_by_the_alert_it_is_about() {
        let said = Said {
            has_passed: false,
            text: "  FAILED:\n    alertname: ServiceDown, time: 10m, \n        exp:[\n            0:\n".to_owned(),
        };
        let state = said.about("ServiceDown").unwrap();
        assert!(
            state.starts_with("alertname: ServiceDown, time: 10m, exp:["),
            "{state}"
        );
        assert_eq!(said.about("Service"), None);
        assert_eq!(said.of_the_file(), None);
    }

    #[test]
    fn a_file_that_cannot_be_read_proves_no_alert() {
        let said = |has_passed| Said {
            has_passed,
            text: "Unit Testing: a.yaml\n  FAILED:\nyaml: line 3: mapping values\n".to_owned(),
        };
        assert!(said(false).of_the_file().unwrap().contains("line 3"));
        assert_eq!(said(true).of_the_file(), None);
    }

    #[tokio::test]
    async fn an_alert_without_a_case_in_which_it_fires_is_told() {
        let mut artifacts = Artifacts::default();
        let down = Alert {
            file: String::new(),
            name: "Down".to_owned(),
            promql: String::new(),
            annotations: Default::default(),
        };
        assert_eq!(
            alert(&artifacts, &down).await,
            Look::Broken("no test sees it fire".to_owned())
        );
        let mut cases = Cases::default();
        cases.fires.insert("Down".to_owned());
        cases.quiet.insert("Down".to_owned());
        artifacts
            .tests
            .push(Test::new(None, Path::new("a.yaml"), cases));
        assert!(matches!(alert(&artifacts, &down).await, Look::Missing(_)));
    }
}
