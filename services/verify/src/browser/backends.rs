//! What the page shows of a run, looked up where it points to.

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};

use super::judge::{self, Judged};
use super::page::Run;
use crate::backend::{Http, Traces};
use crate::poll::{Look, poll};
use crate::report::Outcome;
use crate::target::Target;

/// Spans and lines come within a second; the metrics of a run with the next export, and the one after if it just missed it.
const ARRIVAL: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(400);

pub(super) struct Backends<'a> {
    pub(super) target: &'a Target,
    pub(super) traces: Traces,
    /// When the first run began.
    pub(super) since: SystemTime,
}

// === impl Backends ===

impl Backends<'_> {
    /// The trace of each of `runs`, which are all of one scenario.
    pub(super) async fn traced(&self, runs: &[&Run], status: u16) -> anyhow::Result<String> {
        let mut evidence = Vec::new();
        for run in runs {
            ensure!(!run.trace_id.is_empty(), "a run shows no trace ID");
            let found = arrives(async || {
                let id = &run.trace_id;
                match self.traces.trace(id).await? {
                    None => Ok(Err(format!("{} has no trace {id}", self.traces.describe()))),
                    Some(trace) => Ok(judge::trace(&trace, &run.scenario, status)),
                }
            });
            evidence.push(found.await?);
        }
        Ok(evidence.join("; "))
    }

    /// Opens each link of `run` and reads there what is about this run.
    pub(super) async fn linked(&self, run: &Run, status: u16) -> anyhow::Result<String> {
        self.complete(run)?;
        for (kind, link) in &run.links {
            arrives(async || {
                let shown = match kind.as_str() {
                    // What it shows is drawn by Grafana's scripts: that it is there is all that can be asked for here.
                    _ if self.is_grafana(link) => self.shows(link, "<html").await,
                    "trace" => self.shows(link, judge::ROOT).await,
                    "logs" => self.shows(link, &run.trace_id).await,
                    "metrics" => self.counts(link, status).await,
                    other => bail!("a link to {other}"),
                };
                Ok(shown?.map_err(|state| format!("{kind}: {link} {state}")))
            })
            .await?;
        }
        let kinds: Vec<_> = run.links.keys().map(String::as_str).collect();
        Ok(format!("{} opened", kinds.join(", ")))
    }

    async fn shows(&self, link: &str, text: &str) -> anyhow::Result<Judged> {
        let answer = Http::new("")?.text(link).await?;
        Ok(match answer.contains(text) {
            true => Ok(String::new()),
            false => Err(format!("has no {text}")),
        })
    }

    /// The link's query has another answer for `status` than it had before the first run.
    async fn counts(&self, link: &str, status: u16) -> anyhow::Result<Judged> {
        let since = self.since.duration_since(SystemTime::UNIX_EPOCH)?;
        let before = format!("{link}&time={:.3}", since.as_secs_f64());
        let before = judge::count(&Http::new("")?.json(&before, &[]).await?, status);
        let now = judge::count(&Http::new("")?.json(link, &[]).await?, status);
        Ok(match now != before && now.is_some() {
            true => Ok(String::new()),
            false => Err(format!(
                "shows {now:?} answers of {status}, {before:?} before"
            )),
        })
    }

    /// All three signals can be reached: without Tempo nothing answers for one trace but a command.
    fn complete(&self, run: &Run) -> anyhow::Result<()> {
        let kinds: Vec<_> = run.links.keys().map(String::as_str).collect();
        let is_archive = matches!(self.traces, Traces::Archive(_));
        match (is_archive, kinds.as_slice(), run.command.as_str()) {
            (false, ["logs", "metrics", "trace"], "") => Ok(()),
            (true, ["logs", "metrics"], command)
                if command == format!("just trace {}", run.trace_id) =>
            {
                Ok(())
            }
            (_, kinds, command) => bail!("links {kinds:?}, command {command:?}"),
        }
    }

    pub(super) fn is_grafana(&self, link: &str) -> bool {
        let grafana = self.target.addresses.grafana.as_deref();
        grafana.is_some_and(|grafana| link.starts_with(grafana))
    }
}

/// Asks until it holds; a backend that does not answer may be on its way.
async fn arrives(mut look: impl AsyncFnMut() -> anyhow::Result<Judged>) -> anyhow::Result<String> {
    let settled = poll(ARRIVAL, PAUSE, async || match look().await {
        Ok(Ok(evidence)) => Look::Holds(evidence),
        Ok(Err(state)) => Look::NotYet(state),
        Err(error) => Look::NotYet(format!("{error:#}")),
    })
    .await;
    match settled.outcome {
        Outcome::Passed(evidence) => Ok(evidence),
        Outcome::Failed(state) | Outcome::Skipped(state) => {
            Err(anyhow::Error::msg(state)).context("did not arrive")
        }
    }
}
