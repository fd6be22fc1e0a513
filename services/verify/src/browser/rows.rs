//! What must be true of the page, in the order in which a user would find out.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use serde_json::json;
use thirtyfour::Key;

use super::backends::Backends;
use super::chromium::{Browser, Programs};
use super::judge::{self, Judged, SCENARIOS};
use super::page::{Page, Run, summary};
use crate::report::{Line, Outcome, Report};
use crate::target::Target;

/// The longest scenario takes five seconds, and all run at the same time.
const ANSWERS: Duration = Duration::from_secs(20);
/// What the page does by itself.
const SOON: Duration = Duration::from_secs(3);
/// The whole walk takes half a minute.
const LIMIT: Duration = Duration::from_secs(180);

/// Adds a row for everything that a browser can find out about the scenario page of `target`.
///
/// The scenarios that it runs move counters: call it when no row that counts is being judged.
///
/// # Errors
/// The report cannot be written. Whatever is wrong with the page or the browser is a row.
pub async fn rows<W: Write>(target: &Target, report: &mut Report<W>) -> anyhow::Result<()> {
    let mut rows = Rows {
        report,
        since: Instant::now(),
    };
    let programs = match Programs::on(std::env::var_os("PATH").as_deref()) {
        Ok(programs) => programs,
        Err(missing) => return rows.add("in a real browser", Outcome::Skipped(missing)),
    };
    let browser = match Browser::start(&programs).await {
        Ok(browser) => browser,
        Err(error) => {
            return rows.judge("a browser starts", Err(format!("{error:#}")));
        }
    };
    let page = Page {
        driver: &browser.driver,
        address: &target.addresses.gateway,
    };
    // Whatever happens, the browser is stopped.
    let walked = tokio::time::timeout(LIMIT, walk(target, &page, &mut rows)).await;
    let stopped = browser.stop().await;
    match walked {
        Ok(Ok(())) => {}
        Ok(Err(error)) => rows.judge("the walk comes to its end", Err(format!("{error:#}")))?,
        Err(_) => rows.judge(
            "the walk comes to its end",
            Err(format!("not within {LIMIT:?}")),
        )?,
    }
    match stopped {
        Ok(()) => Ok(()),
        Err(error) => rows.judge("the browser stops", Err(format!("{error:#}"))),
    }
}

struct Rows<'a, W> {
    report: &'a mut Report<W>,
    since: Instant,
}

// === impl Rows ===

impl<W: Write> Rows<'_, W> {
    /// The time of a row is that since the row before.
    fn add(&mut self, name: &str, outcome: Outcome) -> anyhow::Result<()> {
        let after = self.since.elapsed();
        self.since = Instant::now();
        Ok(self.report.add(Line {
            name: format!("page: {name}"),
            query: None,
            outcome,
            after,
        })?)
    }

    fn judge(&mut self, name: &str, judged: Judged) -> anyhow::Result<()> {
        self.add(
            name,
            match judged {
                Ok(evidence) => Outcome::Passed(evidence),
                Err(state) => Outcome::Failed(state),
            },
        )
    }

    /// A row that could not be looked at has failed, and the next is judged all the same.
    fn tried(&mut self, name: &str, tried: anyhow::Result<String>) -> anyhow::Result<()> {
        self.judge(name, tried.map_err(|error| format!("{error:#}")))
    }
}

async fn walk<W: Write>(
    target: &Target,
    page: &Page<'_>,
    rows: &mut Rows<'_, W>,
) -> anyhow::Result<()> {
    // Before the first run: an archive is read from here on.
    let backends = Backends {
        target,
        traces: target.traces_from_now().await?,
        since: SystemTime::now(),
    };
    page.open().await?;
    let title = page.driver.title().await?;
    let console = page.console().await?;
    rows.judge(
        "loads without an error or a refusal on the console",
        judge::loaded(&console, &title),
    )?;

    let typed = by_keyboard(page, rows).await?;
    let all = by_click(page, rows, &typed).await?;
    rows.judge(
        "each run is read out, when it begins and when it ends",
        judge::announced(&page.announced().await?),
    )?;
    rows.judge(
        "results stay, with newer ones above them",
        judge::kept(&typed, &all),
    )?;
    for (scenario, status) in SCENARIOS {
        let name = format!("both traces of {scenario} are in the trace store, each with its root");
        let runs: Vec<_> = all.iter().filter(|run| run.scenario == scenario).collect();
        let traced = match runs.len() {
            2 => backends.traced(&runs, status).await,
            other => Err(anyhow::anyhow!("{other} runs instead of 2")),
        };
        rows.tried(&name, traced)?;
    }
    for (scenario, status) in SCENARIOS {
        let name = format!("each link of {scenario} shows the run");
        let linked = match all.iter().find(|run| run.scenario == scenario) {
            Some(run) => backends.linked(run, status).await,
            None => Err(anyhow::anyhow!("no row of it")),
        };
        rows.tried(&name, linked)?;
    }
    rows.tried("the trace ID is copied by keyboard", copied(page).await)?;
    rows.tried(
        "links are reached by Tab and open in a tab of their own",
        followed(page, &backends).await,
    )?;
    looks(page, rows).await?;
    rows.tried(
        "says so when the gateway is out of reach, and recovers",
        unreachable(page).await,
    )?;
    rows.judge(
        "writes nothing else to the console",
        judge::quiet(&page.console().await?, page.address),
    )?;
    // Last, as the attempts are on the console too.
    let attempts = page.attempts(&target.addresses.collector_health).await?;
    rows.judge(
        "its policy refuses code, markup, connections and images that are not its own",
        judge::policy(&attempts),
    )
}

/// Tab to each button and Enter, with no pointer. All scenarios run at the same time then.
async fn by_keyboard<W: Write>(
    page: &Page<'_>,
    rows: &mut Rows<'_, W>,
) -> anyhow::Result<Vec<Run>> {
    page.listen().await?;
    let mut stops = Vec::new();
    for _ in SCENARIOS {
        page.press(Key::Tab).await?;
        stops.push(page.focus().await?);
        page.press(Key::Enter).await?;
    }
    rows.tried(
        "a run is shown as running, and the focus stays",
        running(page).await,
    )?;
    rows.judge(
        "Tab stops at each button, in order, and the focus is seen",
        judge::tab_order(&stops),
    )?;
    let done = ended(page, SCENARIOS.len()).await;
    answered(rows, "keyboard", &done)?;
    done
}

async fn by_click<W: Write>(
    page: &Page<'_>,
    rows: &mut Rows<'_, W>,
    before: &[Run],
) -> anyhow::Result<Vec<Run>> {
    for (scenario, _) in SCENARIOS {
        page.click(scenario).await?;
    }
    let done = ended(page, before.len() + SCENARIOS.len()).await;
    answered(rows, "click", &done)?;
    done
}

async fn ended(page: &Page<'_>, count: usize) -> anyhow::Result<Vec<Run>> {
    let what = format!("{count} runs at their end");
    page.until(ANSWERS, &what, |runs| {
        runs.len() == count && !runs.iter().any(Run::is_running)
    })
    .await
}

/// A row for each scenario, by its newest run.
fn answered<W: Write>(
    rows: &mut Rows<'_, W>,
    way: &str,
    done: &anyhow::Result<Vec<Run>>,
) -> anyhow::Result<()> {
    for (scenario, status) in SCENARIOS {
        let judged = match done {
            Ok(runs) => judge::status(runs.iter().find(|run| run.scenario == scenario), status),
            Err(error) => Err(format!("{error:#}")),
        };
        rows.judge(&format!("{scenario} by {way} shows {status}"), judged)?;
    }
    Ok(())
}

/// While the long ones run: their rows say so, by motion only to those who want any.
async fn running(page: &Page<'_>) -> anyhow::Result<String> {
    const MOVING: &str = "return document.getAnimations().length";
    page.until(SOON, "running", |runs| runs.iter().any(Run::is_running))
        .await?;
    let moving: usize = page.ask(MOVING).await?;
    page.prefer("prefers-reduced-motion", "reduce").await?;
    let still: usize = page.ask(MOVING).await?;
    page.prefer("prefers-reduced-motion", "no-preference")
        .await?;
    let runs = page.runs().await?;
    ensure!(
        runs.iter().any(Run::is_running),
        "ended before it was seen: {}",
        summary(&runs)
    );
    ensure!(moving > 0, "nothing moves while it runs");
    ensure!(
        still == 0,
        "{still} animations, though less motion is wished for"
    );
    let (last, _) = SCENARIOS[SCENARIOS.len() - 1];
    let focus = page.focus().await?;
    ensure!(focus.is == last, "the focus went to {:?}", focus.is);
    Ok(summary(&runs))
}

async fn copied(page: &Page<'_>) -> anyhow::Result<String> {
    let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
    page.devtools(
        "Browser.grantPermissions",
        json!({"permissions": permissions}),
    )
    .await?;
    let newest = newest(page).await?;
    let focus = page.tab_to("copy").await?;
    ensure!(focus.is_visible, "its focus is not seen: {}", focus.outline);
    page.press(Key::Enter).await?;
    page.hears(SOON, &format!("Copied {}.", newest.trace_id))
        .await?;
    let clipboard = page.clipboard().await?;
    ensure!(
        clipboard == newest.trace_id,
        "the clipboard has {clipboard:?} instead of {}",
        newest.trace_id
    );
    Ok(focus.label)
}

/// The link to the logs: what answers there names the trace, whatever stores the traces.
async fn followed(page: &Page<'_>, backends: &Backends<'_>) -> anyhow::Result<String> {
    let newest = newest(page).await?;
    let link = newest.links.get("logs").context("no link to the logs")?;
    let focus = page.tab_to("logs").await?;
    ensure!(focus.is_visible, "its focus is not seen: {}", focus.outline);
    let home = page.driver.window().await?;
    page.press(Key::Enter).await?;
    let opened = page.driver.windows().await?;
    let Some(tab) = opened.into_iter().find(|window| *window != home) else {
        bail!("no second tab");
    };
    page.driver.switch_to_window(tab).await?;
    let source = page.driver.source().await;
    let address = page.driver.current_url().await;
    page.driver.close_window().await?;
    page.driver.switch_to_window(home).await?;
    let (source, address) = (source?, address?);
    ensure!(
        backends.is_grafana(link) || source.contains(&newest.trace_id),
        "{address} has no {}",
        newest.trace_id
    );
    Ok(format!("{}: {}", focus.label, address.path()))
}

async fn newest(page: &Page<'_>) -> anyhow::Result<Run> {
    let runs = page.runs().await?;
    runs.into_iter().next().context("no results")
}

/// With all results in it, at the widths of a desktop, a tablet and a phone, by day and by night.
async fn looks<W: Write>(page: &Page<'_>, rows: &mut Rows<'_, W>) -> anyhow::Result<()> {
    for width in [1280, 768, 360] {
        let judged = judge::fits(&page.fit(width).await?, width);
        rows.judge(&format!("fits a window {width} pixels wide"), judged)?;
    }
    for scheme in ["light", "dark"] {
        page.prefer("prefers-color-scheme", scheme).await?;
        let judged = judge::contrast(&page.contrast().await?, scheme == "dark");
        rows.judge(&format!("can be read in {scheme} colours"), judged)?;
    }
    Ok(())
}

async fn unreachable(page: &Page<'_>) -> anyhow::Result<String> {
    const ALERT: &str = r#"const alert = document.querySelector("[role=alert]"); return alert.checkVisibility() ? alert.innerText : """#;
    let before = page.runs().await?.len();
    page.offline(true).await?;
    let shown = async {
        page.click("normal").await?;
        page.until(SOON, "without an answer", |runs| {
            runs.len() == before + 1 && runs[0].status == "no"
        })
        .await?;
        page.ask::<String>(ALERT).await
    };
    let shown = shown.await;
    page.offline(false).await?;
    let shown = shown?;
    ensure!(
        shown.contains("does not answer") && shown.contains("just run"),
        "the page says {shown:?}"
    );
    page.click("normal").await?;
    page.until(ANSWERS, "answered again", |runs| {
        runs.len() == before + 2 && runs[0].status == "201"
    })
    .await?;
    let left: String = page.ask(ALERT).await?;
    ensure!(left.is_empty(), "the page still says {left:?}");
    Ok(shown)
}
