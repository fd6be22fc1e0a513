//! The scenario page in a real, headless Chromium: `services/verify/browser`, run by Node.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::json;
use stack::TraceStore;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::report::{Line, Outcome, Report};
use crate::target::Target;

/// The walk takes half a minute, and its faults a minute more.
const LIMIT: Duration = Duration::from_secs(300);
/// Debian's name first.
const CHROMIUM: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
/// What npm says where it reaches no registry.
const UNREACHABLE: [&str; 7] = [
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ENETUNREACH",
    "ETIMEDOUT",
    "ERR_SOCKET_TIMEOUT",
];

/// One line of the program's output.
#[derive(Deserialize)]
struct Row {
    name: String,
    outcome: String,
    text: String,
    seconds: f64,
}

/// Adds a row for each check of the scenario page of `target`.
///
/// The scenarios that it runs move counters: call it when no row that counts is being judged.
///
/// # Errors
/// The report cannot be written. Whatever is wrong with the page or the browser is a row.
pub async fn rows<W: Write>(target: &Target, report: &mut Report<W>) -> anyhow::Result<()> {
    let programs = [&["node"][..], &["npm"], &CHROMIUM].map(program);
    let [Ok(node), Ok(npm), Ok(chromium)] = &programs else {
        let missing = programs.iter().find_map(|found| found.as_ref().err());
        let text = missing.cloned().unwrap_or_default();
        return add(report, "page: in a real browser", Outcome::Skipped(text));
    };
    let walked = match installed(target.root(), npm).await {
        Ok(Some(folder)) => walk(target, &folder, node, chromium, report).await,
        Ok(None) => {
            let text = "no registry: npm cannot install puppeteer-core and axe-core".to_owned();
            return add(report, "page: in a real browser", Outcome::Skipped(text));
        }
        Err(error) => Err(error),
    };
    match walked {
        Ok(()) => Ok(()),
        Err(error) => add(
            report,
            "page: the walk comes to its end",
            Outcome::Failed(format!("{error:#}")),
        ),
    }
}

fn add<W: Write>(report: &mut Report<W>, name: &str, outcome: Outcome) -> anyhow::Result<()> {
    Ok(report.add(Line {
        name: name.to_owned(),
        query: None,
        outcome,
        after: Duration::ZERO,
    })?)
}

/// The first of these on PATH; else `no <name>`.
fn program(names: &[&str]) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let files = std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    let found = files.into_iter().find(|file| file.is_file());
    found.ok_or_else(|| format!("no {}", names[0]))
}

/// The program with the libraries of its lock file, in a folder outside the sources; `None` without a registry.
async fn installed(root: &Path, npm: &Path) -> anyhow::Result<Option<PathBuf>> {
    let source = root.join("services/verify/browser");
    let folder = root.join(".stack/node");
    std::fs::create_dir_all(&folder)?;
    for file in std::fs::read_dir(&source)? {
        let file = file?;
        if file.file_type()?.is_file() {
            std::fs::copy(file.path(), folder.join(file.file_name()))?;
        }
    }
    let lock = std::fs::read(folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.installed");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(Some(folder));
    }
    let output = Command::new(npm)
        .args(["ci", "--ignore-scripts", "--prefer-offline", "--no-audit"])
        .args(["--no-fund", "--fetch-retries=1", "--fetch-timeout=30000"])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .await?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && UNREACHABLE.iter().any(|code| stderr.contains(code)) {
        return Ok(None);
    }
    ensure!(output.status.success(), "npm ci: {}", stderr.trim());
    std::fs::write(stamp, lock)?;
    Ok(Some(folder))
}

/// Runs the program and adds its rows as they come.
async fn walk<W: Write>(
    target: &Target,
    folder: &Path,
    node: &Path,
    chromium: &Path,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    let at = &target.addresses;
    let present = target.present().await?;
    let archive = match target.trace_store() {
        TraceStore::Archive(files) => Some(files),
        TraceStore::Tempo => None,
    };
    let argument = json!({
        "chromium": chromium,
        "gateway": at.gateway,
        "elsewhere": at.collector_health,
        "grafana": at.grafana,
        "loki": present.contains("loki"),
        "tempo": (archive.is_none() || present.contains("tempo")).then_some(&at.tempo),
        "archive": archive,
    });
    let mut process = Command::new(node)
        .arg(folder.join("main.mjs"))
        .arg(argument.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = process.stdout.take().context("node has no output")?;
    let mut lines = BufReader::new(stdout).lines();
    let rows = async {
        while let Some(line) = lines.next_line().await? {
            let row: Row = serde_json::from_str(&line).with_context(|| line.clone())?;
            report.add(Line {
                name: row.name,
                query: None,
                outcome: match row.outcome.as_str() {
                    "pass" => Outcome::Passed(row.text),
                    "skip" => Outcome::Skipped(row.text),
                    _ => Outcome::Failed(row.text),
                },
                after: Duration::try_from_secs_f64(row.seconds)?,
            })?;
        }
        let status = process.wait().await?;
        ensure!(status.success(), "node ends with {status}");
        Ok(())
    };
    timeout(LIMIT, rows)
        .await
        .with_context(|| format!("not within {LIMIT:?}"))?
}
