//! The page as a user has it: keys to press, buttons to click, and what can then be read.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::{By, Key, WebDriver};

use super::judge::Fit;
use crate::poll::{Look, poll};
use crate::report::Outcome;

const PAUSE: Duration = Duration::from_millis(100);

/// One row of the results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Run {
    pub(super) scenario: String,
    pub(super) status: String,
    pub(super) verdict: String,
    pub(super) trace_id: String,
    /// Shown where no link leads to the trace.
    pub(super) command: String,
    pub(super) links: BTreeMap<String, String>,
    pub(super) detail: String,
}

/// What has the keyboard's focus.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Focus {
    /// The text of it; empty while nothing has it.
    pub(super) is: String,
    pub(super) label: String,
    pub(super) outline: String,
    pub(super) is_visible: bool,
}

/// What became of the attempts that the policy must refuse.
#[derive(Debug, Deserialize)]
pub(super) struct Attempts {
    pub(super) refused: Vec<String>,
    pub(super) got_through: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Contrast {
    pub(super) texts: usize,
    pub(super) background: String,
    pub(super) weakest: f64,
    pub(super) faint: Vec<String>,
}

#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) driver: &'a WebDriver,
    pub(super) address: &'a str,
}

// === impl Run ===

impl Run {
    pub(super) fn is_running(&self) -> bool {
        self.status.starts_with("running")
    }
}

// === impl Page ===

impl Page<'_> {
    pub(super) async fn open(&self) -> anyhow::Result<()> {
        Ok(self.driver.goto(self.address).await?)
    }

    /// What was written to the console since the last call.
    pub(super) async fn console(&self) -> anyhow::Result<Vec<String>> {
        let entries = self.driver.browser_log().await?;
        Ok(entries.into_iter().map(|entry| entry.message).collect())
    }

    pub(super) async fn ask<T: DeserializeOwned>(&self, script: &str) -> anyhow::Result<T> {
        let answer = self.driver.execute(script, Vec::new()).await?;
        Ok(answer.convert()?)
    }

    pub(super) async fn runs(&self) -> anyhow::Result<Vec<Run>> {
        self.ask(include_str!("scripts/runs.js")).await
    }

    pub(super) async fn focus(&self) -> anyhow::Result<Focus> {
        self.ask(include_str!("scripts/focus.js")).await
    }

    pub(super) async fn contrast(&self) -> anyhow::Result<Contrast> {
        self.ask(include_str!("scripts/contrast.js")).await
    }

    /// What has been announced so far, from [`Page::listen`] on.
    pub(super) async fn announced(&self) -> anyhow::Result<Vec<String>> {
        self.ask("return window.announced ?? []").await
    }

    /// Writes down what a screen reader would read out.
    pub(super) async fn listen(&self) -> anyhow::Result<()> {
        self.ask(
            r#"window.announced = [];
            for (const region of document.querySelectorAll("[aria-live], [role=alert]")) {
              new MutationObserver(() => region.checkVisibility() && announced.push(region.innerText))
                .observe(region, { childList: true, characterData: true, subtree: true, attributes: true });
            }
            return null"#,
        )
        .await
    }

    /// Waits until these words were read out.
    pub(super) async fn hears(&self, patience: Duration, words: &str) -> anyhow::Result<()> {
        let settled = poll(patience, PAUSE, async || match self.announced().await {
            Err(error) => Look::Broken(format!("{error:#}")),
            Ok(said) if said.iter().any(|said| said == words) => Look::Holds(String::new()),
            Ok(said) => Look::NotYet(format!("{words:?} is not read out, but {:?}", said.last())),
        })
        .await;
        match settled.outcome {
            Outcome::Passed(_) => Ok(()),
            Outcome::Failed(state) | Outcome::Skipped(state) => bail!(state),
        }
    }

    pub(super) async fn attempts(&self, elsewhere: &str) -> anyhow::Result<Attempts> {
        let script = include_str!("scripts/policy.js");
        let answer = self.driver.execute_async(script, vec![json!(elsewhere)]);
        Ok(answer.await?.convert()?)
    }

    pub(super) async fn press(&self, key: Key) -> anyhow::Result<()> {
        let keys = self.driver.action_chain();
        Ok(keys.key_down(key.clone()).key_up(key).perform().await?)
    }

    /// Presses Tab until what is named so has the focus.
    pub(super) async fn tab_to(&self, name: &str) -> anyhow::Result<Focus> {
        const ENOUGH: usize = 40;
        let mut seen = Vec::new();
        for _ in 0..ENOUGH {
            self.press(Key::Tab).await?;
            let focus = self.focus().await?;
            if focus.is == name {
                return Ok(focus);
            }
            seen.push(focus.is);
        }
        bail!("Tab does not reach {name}, only {seen:?}")
    }

    pub(super) async fn click(&self, scenario: &str) -> anyhow::Result<()> {
        let button = self.button(scenario);
        let button = self.driver.find(By::XPath(button)).await;
        let button = button.with_context(|| format!("no button {scenario}"))?;
        Ok(button.click().await?)
    }

    fn button(&self, name: &str) -> String {
        format!("//button[normalize-space()='{name}']")
    }

    /// Waits until the results hold what `wanted` says, and returns them.
    pub(super) async fn until(
        &self,
        patience: Duration,
        what: &str,
        wanted: impl Fn(&[Run]) -> bool,
    ) -> anyhow::Result<Vec<Run>> {
        let mut last = Vec::new();
        let settled = poll(patience, PAUSE, async || match self.runs().await {
            Err(error) => Look::Broken(format!("{error:#}")),
            Ok(runs) => {
                last = runs;
                match wanted(&last) {
                    true => Look::Holds(String::new()),
                    false => Look::NotYet(format!("not {what}: {}", summary(&last))),
                }
            }
        })
        .await;
        match settled.outcome {
            Outcome::Passed(_) => Ok(last),
            Outcome::Failed(state) | Outcome::Skipped(state) => bail!(state),
        }
    }

    /// A window of this width, as a phone's would be: a browser's own window has a least width.
    pub(super) async fn fit(&self, width: u32) -> anyhow::Result<Fit> {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false}),
        )
        .await?;
        self.ask(include_str!("scripts/fit.js")).await
    }

    /// As the operating system's settings would, such as `prefers-color-scheme: dark`.
    pub(super) async fn prefer(&self, feature: &str, value: &str) -> anyhow::Result<()> {
        let features = json!({"features": [{"name": feature, "value": value}]});
        self.devtools("Emulation.setEmulatedMedia", features).await
    }

    pub(super) async fn offline(&self, is_offline: bool) -> anyhow::Result<()> {
        let conditions = json!({"offline": is_offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        self.devtools("Network.enable", json!({})).await?;
        self.devtools("Network.emulateNetworkConditions", conditions)
            .await
    }

    pub(super) async fn clipboard(&self) -> anyhow::Result<String> {
        let script = "const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done(`${error}`))";
        let answer = self.driver.execute_async(script, Vec::new()).await?;
        Ok(answer.convert()?)
    }

    pub(super) async fn devtools(&self, command: &str, parameters: Value) -> anyhow::Result<()> {
        let answer = self.driver.cdp().send_raw(command, parameters).await;
        answer.map(drop).context(command.to_owned())
    }
}

/// `normal 201, long-request running…`.
pub(super) fn summary(runs: &[Run]) -> String {
    let words: Vec<_> = runs
        .iter()
        .map(|run| format!("{} {}", run.scenario, run.status))
        .collect();
    match words.is_empty() {
        true => "no results".to_owned(),
        false => words.join(", "),
    }
}
