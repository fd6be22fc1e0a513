//! What is read from the page, held against what it should be. Pure, so that each rule is seen to fail.

use serde::Deserialize;
use serde_json::Value;

use super::page::{Attempts, Contrast, Focus, Run, summary};
use crate::trace::{Kind, Trace};

/// Each scenario, in the order of the page, and the status that its order gets.
pub(super) const SCENARIOS: [(&str, u16); 5] = [
    ("normal", 201),
    ("product-error", 502),
    ("inventory-timeout", 504),
    ("long-request", 201),
    ("out-of-stock", 409),
];

pub(super) const ROOT: &str = "POST /api/scenarios/{name}";

/// A verdict: the evidence, or what is wrong.
pub(super) type Judged = Result<String, String>;

/// How the page fits its window.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Fit {
    window: u32,
    client: u32,
    scroll: u32,
    shown: usize,
    outside: Vec<String>,
    cut: Vec<String>,
    small: Vec<String>,
}

pub(super) fn loaded(console: &[String], title: &str) -> Judged {
    match console {
        [] if title.contains("OTel Shop") => Ok(format!("{title:?}, the console is empty")),
        [] => Err(format!("the title is {title:?}")),
        messages => Err(messages.join("; ")),
    }
}

/// The console tells of each failed request, also of a scenario that shall fail. What another tab writes is not the page's.
pub(super) fn quiet(console: &[String], page: &str) -> Judged {
    let is_expected = |message: &str| {
        let is_scenario = message.contains("/api/scenarios/");
        is_scenario && message.contains("Failed to load resource")
    };
    let others: Vec<_> = console
        .iter()
        .map(String::as_str)
        .filter(|message| message.starts_with(page) || !message.starts_with("http"))
        .filter(|message| !is_expected(message))
        .collect();
    match others.is_empty() {
        true => Ok(format!(
            "{} failed requests, which the scenarios are for",
            console.len()
        )),
        false => Err(others.join("; ")),
    }
}

pub(super) fn policy(attempts: &Attempts) -> Judged {
    const DIRECTIVES: [&str; 3] = ["require-trusted-types-for", "connect-src", "img-src"];
    if !attempts.got_through.is_empty() {
        return Err(format!("got through: {}", attempts.got_through.join(", ")));
    }
    let is_refused =
        |directive: &&str| attempts.refused.iter().any(|refused| refused == *directive);
    match DIRECTIVES.iter().find(|directive| !is_refused(directive)) {
        Some(directive) => Err(format!(
            "{directive} refused nothing, only {:?}",
            attempts.refused
        )),
        None => Ok(format!("{} attempts refused", attempts.refused.len())),
    }
}

/// The places where Tab stopped, from the top of the page on.
pub(super) fn tab_order(stops: &[Focus]) -> Judged {
    let order: Vec<_> = stops.iter().map(|stop| stop.is.as_str()).collect();
    let expected = SCENARIOS.map(|(name, _)| name);
    if order != expected {
        return Err(format!("Tab stops at {order:?}"));
    }
    match stops.iter().find(|stop| !stop.is_visible) {
        Some(stop) => Err(format!("{} has the outline {}", stop.is, stop.outline)),
        None => Ok(format!(
            "{} stops, outline {}",
            stops.len(),
            stops[0].outline
        )),
    }
}

pub(super) fn status(run: Option<&Run>, expected: u16) -> Judged {
    let run = run.ok_or("no row of it")?;
    let is_traced = run.trace_id.len() == 32
        && run.trace_id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && run.trace_id.bytes().any(|byte| byte != b'0');
    if run.status != expected.to_string() || run.verdict != "as expected" {
        return Err(format!(
            "shows {} {:?}: {}",
            run.status, run.verdict, run.detail
        ));
    }
    match is_traced {
        true => Ok(format!("trace {}", run.trace_id)),
        false => Err(format!("shows the trace ID {:?}", run.trace_id)),
    }
}

/// Each run was read out twice: that it runs, and how it ended.
pub(super) fn announced(said: &[String]) -> Judged {
    for (name, status) in SCENARIOS {
        for words in [
            format!("Running {name}"),
            format!("{name}: status {status}"),
        ] {
            if !said.iter().any(|said| said.starts_with(&words)) {
                return Err(format!("{words:?} is not among {said:?}"));
            }
        }
    }
    Ok(format!("{} announcements", said.len()))
}

/// `later` has the runs of `earlier` below newer ones, unchanged.
pub(super) fn kept(earlier: &[Run], later: &[Run]) -> Judged {
    let newer = later.len().saturating_sub(earlier.len());
    if newer == 0 || earlier.is_empty() || later[newer..] != *earlier {
        return Err(format!("{} became {}", summary(earlier), summary(later)));
    }
    let mut ids: Vec<_> = later.iter().map(|run| &run.trace_id).collect();
    ids.sort_unstable();
    ids.dedup();
    match ids.len() == later.len() {
        true => Ok(format!(
            "{newer} above {}, all traces differ",
            earlier.len()
        )),
        false => Err(format!("{} trace IDs of {} runs", ids.len(), later.len())),
    }
}

/// The trace belongs to the run: one tree, whose root is the page's request and whose business is the scenario.
pub(super) fn trace(trace: &Trace, scenario: &str, status: u16) -> Judged {
    let [root] = trace.roots()[..] else {
        return Err(format!("no single root: {}", trace.outline()));
    };
    if !root.is("gateway", Kind::Server, ROOT) {
        return Err(format!("the root is {}", root.title()));
    }
    let answered = root.attribute("http.response.status_code");
    if answered != Some(status.to_string()) {
        return Err(format!("the root answered {answered:?}"));
    }
    let run = trace.spans.iter().find(|span| span.name == "scenario.run");
    let ran = run.and_then(|span| span.attribute("shop.scenario"));
    match ran.as_deref() == Some(scenario) {
        true => Ok(format!(
            "{}, {} spans",
            trace.spans[0].title(),
            trace.spans.len()
        )),
        false => Err(format!("shop.scenario is {ran:?}: {}", trace.outline())),
    }
}

/// How many answers of `status` a query by status has.
pub(super) fn count(answer: &Value, status: u16) -> Option<String> {
    let series = answer["data"]["result"].as_array()?;
    let status = status.to_string();
    let of_status = series
        .iter()
        .find(|one| one["metric"]["http_response_status_code"].as_str() == Some(&status))?;
    of_status["value"][1].as_str().map(str::to_owned)
}

pub(super) fn fits(fit: &Fit, width: u32) -> Judged {
    let Fit {
        window,
        client,
        scroll,
        shown,
        outside,
        cut,
        small,
    } = fit;
    if *window != width || *shown == 0 {
        return Err(format!("the window is {window} wide, {shown} elements"));
    }
    if scroll > client {
        return Err(format!(
            "{scroll} pixels in a window of {client}: {outside:?}"
        ));
    }
    for (what, which) in [
        ("outside", outside),
        ("cut off", cut),
        ("below 24 pixels", small),
    ] {
        if !which.is_empty() {
            return Err(format!("{what}: {}", which.join(", ")));
        }
    }
    Ok(format!("{scroll} of {client} pixels, {shown} elements"))
}

pub(super) fn contrast(contrast: &Contrast, is_dark: bool) -> Judged {
    let Contrast {
        texts,
        background,
        weakest,
        faint,
    } = contrast;
    let is_light = background == "rgb(255, 255, 255)";
    if is_light == is_dark {
        return Err(format!("the background is {background}"));
    }
    match faint.is_empty() && *texts > 0 {
        true => Ok(format!("{texts} texts, at least {weakest:.1}")),
        false => Err(format!("of {texts} texts below 4.5: {}", faint.join(", "))),
    }
}

#[cfg(test)]
mod tests;
