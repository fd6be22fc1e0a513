//! A Chromium of our own: found on PATH, started through its driver, stopped by process id.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::poll::{Look, poll};
use crate::report::Outcome;

const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);
/// Debian's name first.
const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
const DRIVER: &str = "chromedriver";

/// What it takes, found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Programs {
    browser: PathBuf,
    driver: PathBuf,
}

pub(super) struct Browser {
    pub(super) driver: WebDriver,
    address: String,
    process: Child,
    /// The browser's profile, and what it forgets when it is ended.
    home: TempDir,
    /// Held open: a driver that cannot write ends.
    _output: Lines<BufReader<ChildStdout>>,
}

// === impl Programs ===

impl Programs {
    /// `Err` says what is missing and how to get it.
    pub(super) fn on(path: Option<&OsStr>) -> Result<Self, String> {
        let find = |names: &[&str]| {
            std::env::split_paths(path.unwrap_or_default())
                .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
                .find(|file| file.is_file())
        };
        match (find(&BROWSERS), find(&[DRIVER])) {
            (Some(browser), Some(driver)) => Ok(Self { browser, driver }),
            (browser, driver) => {
                let missing: Vec<_> = [("chromium", browser), (DRIVER, driver)]
                    .into_iter()
                    .filter_map(|(name, found)| found.is_none().then_some(name))
                    .collect();
                Err(format!(
                    "no {} on PATH: `apt-get install chromium chromium-driver`",
                    missing.join(" and no ")
                ))
            }
        }
    }
}

// === impl Browser ===

impl Browser {
    pub(super) async fn start(programs: &Programs) -> anyhow::Result<Self> {
        let home = tempfile::tempdir().context("no place for the browser's profile")?;
        let mut process = Command::new(&programs.driver)
            .env("TMPDIR", home.path())
            // The driver takes a free one itself and says which: nobody can take it in between.
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", programs.driver.display()))?;
        let stdout = process.stdout.take().context("the driver has no output")?;
        let mut output = BufReader::new(stdout).lines();
        let port = timeout(PATIENCE, announced_port(&mut output))
            .await
            .context("the driver does not say where it listens")??;
        let address = format!("http://127.0.0.1:{port}");
        let driver = WebDriver::builder(&address, capabilities(programs)?)
            .request_timeout(PATIENCE)
            .connect()
            .await
            .context("the browser does not start")?;
        Ok(Self {
            driver,
            address,
            process,
            home,
            _output: output,
        })
    }

    /// The browser, then its driver.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let quit = timeout(PATIENCE, self.driver.quit()).await;
        if !matches!(quit, Ok(Ok(()))) {
            // Ends the browsers that the driver still has; if it does not answer either, they are beyond reach.
            let shutdown = format!("{}/shutdown", self.address);
            timeout(PATIENCE, reqwest::get(shutdown))
                .await
                .context("neither the browser nor its driver can be stopped")??;
        }
        self.process.kill().await.context("stopping the driver")?;
        // The browser's processes end after its driver's answer, and write until then.
        let removed = poll(PATIENCE, PAUSE, async || {
            match std::fs::remove_dir_all(self.home.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Look::NotYet(error.to_string())
                }
                _ => Look::Holds(String::new()),
            }
        })
        .await;
        match removed.outcome {
            Outcome::Failed(state) => bail!("{} stays: {state}", self.home.path().display()),
            Outcome::Passed(_) | Outcome::Skipped(_) => Ok(()),
        }
    }
}

async fn announced_port(output: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<u16> {
    while let Some(line) = output.next_line().await? {
        if let Some(port) = port_in(&line) {
            return Ok(port);
        }
    }
    bail!("the driver ended before it listened")
}

fn port_in(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("started successfully on port ")?;
    rest.trim_end_matches('.').parse().ok()
}

fn capabilities(programs: &Programs) -> anyhow::Result<thirtyfour::ChromeCapabilities> {
    let mut chrome = DesiredCapabilities::chrome();
    chrome.set_binary(&programs.browser.to_string_lossy())?;
    chrome.set_headless()?;
    chrome.set_disable_gpu()?;
    // A browser that looks for updates, or for the shop behind a proxy, depends on more than the shop.
    for argument in [
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,900",
    ] {
        chrome.add_arg(argument)?;
    }
    // Root has no sandbox, and Chromium refuses to start rather than do without.
    if procfs::process::Process::myself()?.uid()? == 0 {
        chrome.set_no_sandbox()?;
    }
    chrome.set_browser_log_level(LoggingPrefsLogLevel::All)?;
    Ok(chrome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().as_os_str());
        let missing = Programs::on(path).unwrap_err();
        assert!(
            missing.starts_with("no chromium and no chromedriver on PATH"),
            "{missing}"
        );
        assert!(missing.contains("apt-get install chromium chromium-driver"));
        std::fs::write(folder.path().join("google-chrome"), "").unwrap();
        let missing = Programs::on(path).unwrap_err();
        assert!(missing.starts_with("no chromedriver on PATH"), "{missing}");
        std::fs::write(folder.path().join(DRIVER), "").unwrap();
        let found = Programs::on(path).unwrap();
        assert_eq!(found.browser, folder.path().join("google-chrome"));
        assert!(Programs::on(None).is_err());
    }

    #[test]
    fn the_port_is_read_from_what_the_driver_says() {
        assert_eq!(
            port_in("ChromeDriver was started successfully on port 41233."),
            Some(41233)
        );
        assert_eq!(
            port_in("Starting ChromeDriver 156.0.8078.79 on port 0"),
            None
        );
    }
}
