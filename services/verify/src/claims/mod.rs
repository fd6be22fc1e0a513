//! The shipped files make claims of their own: a panel claims to have data, a link to lead somewhere, a page that its
//! query has an answer. They are read from the files themselves, so there is no second list to maintain.
//!
//! [`Artifacts`] reads the files, [`rows`] lists what they claim, [`look`] judges one claim against the running system
//! with the requests that Grafana, or a person at the keyboard, would send.

mod check_names;
mod command;
mod counts;
mod dashboard;
mod files;
mod judge;
mod link;
mod list;
mod moved;
mod names;
mod needs;
pub mod page;
mod promtool;
mod query;
pub mod rules;
mod signal;
mod source;
mod template;
mod variable;

use std::time::Duration;

pub use check_names::BackendNames;
pub use counts::Counts;
pub use files::{Artifacts, environment};
pub use judge::look;
pub use list::{Claim, KINDS, What, rows};
pub use page::Page;
pub use promtool::find as promtool;

use crate::poll::Look;

/// The language of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    PromQl,
    LogQl,
    TraceQl,
}

/// `Ok` is the evidence, or what was asked for.
type Verdict<T = String> = Result<T, Unmet>;

/// Why a claim does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Unmet {
    /// It may become true by waiting.
    NotYet(String),
    Broken(String),
    /// A component that it needs is not part of this stack.
    Missing(String),
}

// === impl Language ===

impl Language {
    /// The first word behind the backticks of a code block.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "promql" => Some(Self::PromQl),
            "logql" => Some(Self::LogQl),
            "traceql" => Some(Self::TraceQl),
            _ => None,
        }
    }

    /// By a data source's type, or by the first cell of a table's row: `Loki, one trace`.
    fn of_backend(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase() {
            name if name.starts_with("prometheus") => Some(Self::PromQl),
            name if name.starts_with("loki") => Some(Self::LogQl),
            name if name.starts_with("tempo") => Some(Self::TraceQl),
            _ => None,
        }
    }

    pub fn signal(self) -> &'static str {
        match self {
            Self::PromQl => "metrics",
            Self::LogQl => "logs",
            Self::TraceQl => "traces",
        }
    }
}

// === impl Unmet ===

impl Unmet {
    /// A feature of Grafana that no shipped file used when this was written.
    fn unread(feature: impl std::fmt::Display) -> Self {
        Self::Broken(format!("{feature} is not read by verify"))
    }
}

fn broken<T>(state: impl Into<String>) -> Verdict<T> {
    Err(Unmet::Broken(state.into()))
}

fn not_yet<T>(state: impl Into<String>) -> Verdict<T> {
    Err(Unmet::NotYet(state.into()))
}

/// A backend that does not answer may be about to start.
impl From<anyhow::Error> for Unmet {
    fn from(error: anyhow::Error) -> Self {
        Self::NotYet(format!("{error:#}"))
    }
}

impl From<regex::Error> for Unmet {
    fn from(error: regex::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<Unmet> for Look {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::NotYet(state) => Self::NotYet(state),
            Unmet::Broken(state) => Self::Broken(state),
            Unmet::Missing(what) => Self::Missing(what),
        }
    }
}

/// A duration as Grafana writes it: `5s`, `15m`, `5000ms`, `2d`.
fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(number * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_backends_are_read_as_the_files_write_them() {
        for (text, seconds) in [
            ("5000ms", Some(5)),
            ("2d", Some(172_800)),
            ("5", None),
            ("now", None),
        ] {
            assert_eq!(duration(text), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(
            Language::of_backend("Loki, one trace"),
            Some(Language::LogQl)
        );
        assert_eq!(Language::of_backend("where"), None);
    }

    /// Everything that is read of a variable, a panel and a data source.
    fn read(variable: &str, panel: &str, source: &str) -> String {
        let json = format!(
            r#"{{"uid": "a", "time": {{"from": "now-1h"}}, "templating": {{"list": [{variable}]}}, "panels": [{panel}]}}"#
        );
        let json = serde_json::from_str(&json).unwrap();
        let dashboard = dashboard::Dashboard::parse("a.json", &json).unwrap();
        let yaml = format!("datasources: [{{uid: a, {source}}}]");
        let sources = source::Source::parse(&yaml, &Default::default()).unwrap();
        format!("{dashboard:?} {sources:?}")
    }

    #[test]
    fn features_that_no_shipped_file_uses_are_not_read() {
        let query = r#"{"type": "query", "query": "metrics(a)"}"#;
        let regex = r#"{"type": "query", "regex": "a"}"#;
        let link = r#"{"links": [{"internal": {}}]}"#;
        let html = r#"{"options": {"content": "<a href='b'>"}}"#;
        let logs = "jsonData: {tracesToLogsV2: {filterByTraceID: true}}";
        let text = "jsonData: {derivedFields: [{matcherRegex: x}]}";
        let made = "correlations: [{config: {transformations: [a]}}]";
        for (variable, panel, source, expected) in [
            (r#"{"type": "custom"}"#, "", "", "a custom variable"),
            (r#"{"type": "textbox"}"#, "", "", "a textbox variable"),
            (query, "", "", "a query variable without label_values"),
            (regex, "", "", "the regex of a variable"),
            ("", link, "", "an internal query link"),
            ("", html, "", "an HTML link"),
            (
                "",
                "",
                logs,
                "filterByTraceID (a link to logs without a query)",
            ),
            ("", "", text, "a derived field that searches the text"),
            ("", "", made, "a correlation with transformations"),
        ] {
            let unread = format!("Unread({expected:?})");
            assert!(read(variable, panel, source).contains(&unread), "{unread}");
        }
        let unread = |text: &str| Err(Unmet::Broken(format!("{text} is not read by verify")));
        for text in ["${a:csv}", "${a:queryparam}", "[[a]]"] {
            let expanded = template::expand(text, &Default::default(), template::Place::Link);
            assert_eq!(expanded, unread(text));
        }
        let left = [("left".to_owned(), "{}".to_owned())];
        let panes = link::panes(&left).map(|_| String::new());
        assert_eq!(panes, unread("a link to Explore without panes"));
    }
}
