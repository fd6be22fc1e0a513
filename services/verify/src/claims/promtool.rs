//! Prometheus' own tests of the rules: each alert fires on bad numbers and does not fire on good ones.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, OnceCell};

use super::rules::{Alert, Cases};
use super::{Artifacts, Unmet, Verdict, broken};

/// One file of tests.
#[derive(Debug)]
pub struct Test {
    promtool: Option<PathBuf>,
    path: PathBuf,
    pub cases: Cases,
    running: Mutex<Option<Child>>,
    output: OnceCell<Output>,
}

/// Of `promtool test rules`.
#[derive(Clone, Debug)]
struct Output {
    has_passed: bool,
    text: String,
}

/// The newest promtool that was built with Prometheus.
pub fn find(repository: &Path) -> Option<PathBuf> {
    let built = std::fs::read_dir(repository.join(".stack/bin")).ok()?;
    let built = built.filter_map(|entry| Some(entry.ok()?.path().join("promtool")));
    let modified = |path: &PathBuf| path.metadata().and_then(|meta| meta.modified()).ok();
    built.filter(|path| path.is_file()).max_by_key(modified)
}

// === impl Test ===

impl Test {
    pub fn read(promtool: Option<&Path>, path: &Path) -> anyhow::Result<Self> {
        Ok(Self::new(promtool, path, Cases::read(path)?))
    }

    fn new(promtool: Option<&Path>, path: &Path, cases: Cases) -> Self {
        Self {
            promtool: promtool.map(Path::to_owned),
            path: path.to_owned(),
            cases,
            running: Mutex::new(None),
            output: OnceCell::new(),
        }
    }

    /// Starts it, so that it has ended when its verdict is needed: windows of days take promtool a minute.
    pub async fn begin(&self) -> anyhow::Result<()> {
        if let Some(promtool) = &self.promtool {
            let mut running = self.running.lock().await;
            if running.is_none() {
                *running = Some(self.start(promtool)?);
            }
        }
        Ok(())
    }

    /// With less priority than everything else that runs meanwhile.
    fn start(&self, promtool: &Path) -> anyhow::Result<Child> {
        let mut command = Command::new("nice");
        command.args(["-n", "10"]).arg(promtool);
        command.args(["test", "rules"]).arg(&self.path);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().context("promtool does not start")
    }

    async fn output(&self) -> Verdict<&Output> {
        let Some(promtool) = &self.promtool else {
            return Err(Unmet::Missing("no promtool: tests of the rules".to_owned()));
        };
        let run = async || {
            let child = match self.running.lock().await.take() {
                Some(child) => child,
                None => self.start(promtool)?,
            };
            let output = child.wait_with_output().await?;
            let text = [output.stdout, output.stderr].concat();
            anyhow::Ok(Output {
                has_passed: output.status.success(),
                text: String::from_utf8_lossy(&text).into_owned(),
            })
        };
        let output = self.output.get_or_try_init(run).await;
        output.map_err(|error| Unmet::Broken(format!("{error:#}")))
    }
}

/// The files with a case of the alert pass, and it has both cases.
pub(super) async fn alert(artifacts: &Artifacts, alert: &Alert) -> Verdict {
    let name = &alert.name;
    let tests = || artifacts.tests.iter();
    if !tests().any(|test| test.cases.fires.contains(name)) {
        return broken("it fires in no test");
    }
    if !tests().any(|test| test.cases.quiet.contains(name)) {
        return broken("it stays quiet in no test");
    }
    for test in tests().filter(|test| test.cases.names(name)) {
        let output = test.output().await?;
        if let Some(state) = output.about(name).or_else(|| output.of_the_file()) {
            return broken(state);
        }
    }
    Ok("fires in one case, is quiet in another".to_owned())
}

pub(super) async fn all(artifacts: &Artifacts) -> Verdict {
    for test in &artifacts.tests {
        let output = test.output().await?;
        if !output.has_passed {
            return broken(output.from("FAILED", 4).unwrap_or_default());
        }
    }
    Ok(format!("{} files of tests", artifacts.tests.len()))
}

// === impl Output ===

impl Output {
    /// So many lines from the first that contains `text`.
    fn from(&self, text: &str, count: usize) -> Option<String> {
        let lines = self.text.lines().skip_while(|line| !line.contains(text));
        let lines: Vec<&str> = lines.take(count).map(str::trim).collect();
        (!lines.is_empty()).then(|| lines.join(" "))
    }

    /// What failed about one alert: `alertname: NAME, time: 10m,` and what was expected.
    fn about(&self, alert: &str) -> Option<String> {
        self.from(&format!("alertname: {alert},"), 7)
    }

    /// Why no case of the file was run.
    fn of_the_file(&self) -> Option<String> {
        let has_cases = self.text.contains("alertname: ") || self.text.contains("expr: ");
        (!self.has_passed && !has_cases).then(|| self.from("", 20).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_case_and_an_unreadable_file_are_reported() {
        let output = |has_passed, text: &str| Output {
            has_passed,
            text: text.to_owned(),
        };
        let failed = output(
            false,
            "  FAILED:\n    alertname: ServiceDown, time: 10m, \n        exp:[\n            0:\n",
        );
        let state = failed.about("ServiceDown").unwrap();
        assert!(
            state.starts_with("alertname: ServiceDown, time: 10m, exp:["),
            "{state}"
        );
        assert_eq!(
            (failed.about("Service"), failed.of_the_file()),
            (None, None)
        );
        let unreadable = "Unit Testing: a.yaml\n  FAILED:\nyaml: line 3: mapping values\n";
        assert!(
            output(false, unreadable)
                .of_the_file()
                .unwrap()
                .contains("line 3")
        );
        assert_eq!(output(true, unreadable).of_the_file(), None);
    }

    #[tokio::test]
    async fn an_alert_needs_a_case_in_which_it_fires() {
        let mut artifacts = Artifacts::default();
        let down = Alert {
            name: "Down".to_owned(),
            ..Alert::default()
        };
        let quiet = || [down.name.clone()].into();
        for (fires, state) in [
            (Default::default(), "it fires in no test"),
            (quiet(), "no promtool"),
        ] {
            let cases = Cases {
                fires,
                quiet: quiet(),
            };
            artifacts
                .tests
                .push(Test::new(None, Path::new("a.yaml"), cases));
            let verdict = format!("{:?}", alert(&artifacts, &down).await);
            assert!(verdict.contains(state), "{verdict}");
        }
    }
}
