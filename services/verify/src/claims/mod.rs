//! What is shipped makes claims of its own: a panel claims to have data, a link to lead somewhere, a page that its query
//! answers. They are read from the very files that are shipped, so there is no second list to keep.
//!
//! [`Artifacts`] reads; [`rows`] makes a row of each claim; [`look`] judges one against the running system, as Grafana
//! or a person at the keyboard would ask; [`sabotage`] changes copies of the files to see rows fail.

mod artifacts;
mod ask;
mod choose;
mod command;
mod dashboard;
mod judge;
mod jump;
mod known;
mod names;
mod onward;
mod page;
mod promtool;
mod rules;
pub mod sabotage;
mod shipped;
mod source;
mod template;

use std::time::Duration;

pub use artifacts::{Artifacts, environment};
pub use judge::look;
pub use known::Known;
pub use promtool::find as promtool;
pub use shipped::{Counts, Kind, Shipped, What, rows};

/// What a query is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    PromQl,
    LogQl,
    TraceQl,
}

// === impl Language ===

impl Language {
    /// Of a fenced block.
    fn named(word: &str) -> Option<Self> {
        match word {
            "promql" => Some(Self::PromQl),
            "logql" => Some(Self::LogQl),
            "traceql" => Some(Self::TraceQl),
            _ => None,
        }
    }

    /// By a data source's type, or by the first cell of a row: `Loki, one trace`.
    fn of_backend(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        [
            ("prometheus", Self::PromQl),
            ("loki", Self::LogQl),
            ("tempo", Self::TraceQl),
        ]
        .into_iter()
        .find_map(|(backend, language)| name.starts_with(backend).then_some(language))
    }
}

/// Grafana's way to write a time: `5s`, `15m`, `5000ms`, `2d`.
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
        "w" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(number * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_grafana_writes_them() {
        assert_eq!(duration("5000ms"), Some(Duration::from_secs(5)));
        assert_eq!(duration("2d"), Some(Duration::from_secs(172_800)));
        assert_eq!(duration("5"), None);
        assert_eq!(duration("now"), None);
    }

    #[test]
    fn a_row_of_a_table_names_its_backend_first() {
        assert_eq!(
            Language::of_backend("Loki, one trace"),
            Some(Language::LogQl)
        );
        assert_eq!(Language::of_backend("where"), None);
    }
}
