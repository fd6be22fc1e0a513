//! LogQL. Labels and structured metadata are kept apart, as a claim is about which of the two an id is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::prometheus::{labels, newest, words};
use super::{Sample, backend};

/// Loki refuses more lines than this in one answer (`max_entries_limit_per_query`).
const LIMIT: usize = 5000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Nanoseconds since 1970.
    pub at: u64,
    pub labels: BTreeMap<String, String>,
    pub metadata: BTreeMap<String, String>,
    pub text: String,
}

/// What a query of either sort answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answered {
    Lines(Vec<LogLine>),
    Series(Vec<Sample>),
}

backend!(Loki, "/ready");

// === impl LogLine ===

impl LogLine {
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    pub fn meta(&self, name: &str) -> &str {
        self.metadata.get(name).map_or("", String::as_str)
    }
}

// === impl Loki ===

impl Loki {
    /// All lines in the window, oldest first, page by page.
    pub async fn query(
        &self,
        logql: &str,
        since: SystemTime,
        until: SystemTime,
    ) -> anyhow::Result<Vec<LogLine>> {
        let end = (nanoseconds(until) + 1).to_string();
        let mut start = nanoseconds(since);
        let mut found: Vec<LogLine> = Vec::new();
        loop {
            let answer = self
                .http
                .json_with(
                    "/loki/api/v1/query_range",
                    &[
                        ("query", logql),
                        ("start", &start.to_string()),
                        ("end", &end),
                        ("limit", &LIMIT.to_string()),
                        ("direction", "forward"),
                    ],
                    &[("X-Loki-Response-Encoding-Flags", "categorize-labels")],
                )
                .await?;
            let page = lines(&answer, &["structuredMetadata"]);
            let is_full = page.len() >= LIMIT;
            // The next page starts at the last instant of this one: lines of that instant may be split over both.
            let last = page.last().map_or(start, |line| line.at);
            found.retain(|line| line.at < start || !page.contains(line));
            found.extend(page);
            if !is_full || last == start {
                return Ok(found);
            }
            start = last;
        }
    }

    /// What a query answers over a window, whether it is about lines or about numbers; the newest lines only.
    pub async fn answer(
        &self,
        logql: &str,
        since: SystemTime,
        step: Duration,
    ) -> anyhow::Result<Answered> {
        let start = nanoseconds(since).to_string();
        let end = (nanoseconds(SystemTime::now()) + 1).to_string();
        let step = format!("{}", step.as_secs_f64());
        let query = [
            ("query", logql),
            ("start", &start),
            ("end", &end),
            ("step", &step),
            ("limit", "200"),
        ];
        let headers = [("X-Loki-Response-Encoding-Flags", "categorize-labels")];
        let answer = self
            .http
            .json_with("/loki/api/v1/query_range", &query, &headers)
            .await?;
        Ok(if answer["data"]["resultType"] == "streams" {
            Answered::Lines(lines(&answer, &["structuredMetadata", "parsed"]))
        } else {
            Answered::Series(newest(&answer))
        })
    }

    /// The values of a label, of the streams that match or of all.
    pub async fn label_values(
        &self,
        label: &str,
        selector: Option<&str>,
        since: SystemTime,
    ) -> anyhow::Result<BTreeSet<String>> {
        let start = nanoseconds(since).to_string();
        let mut query = vec![("start", start.as_str())];
        query.extend(selector.map(|selector| ("query", selector)));
        let path = format!("/loki/api/v1/label/{label}/values");
        Ok(words(&self.get(&path, &query).await?))
    }

    /// The label names that exist since `since`: what Grafana's label browser lists.
    pub async fn label_names(&self, since: SystemTime) -> anyhow::Result<BTreeSet<String>> {
        let start = nanoseconds(since).to_string();
        let answer = self
            .get("/loki/api/v1/labels", &[("start", &start)])
            .await?;
        Ok(words(&answer))
    }
}

/// `parts` are what Loki keeps apart of a line: what came with it, and what the query took out of it.
fn lines(answer: &Value, parts: &[&str]) -> Vec<LogLine> {
    let mut found = Vec::new();
    for stream in answer["data"]["result"].as_array().into_iter().flatten() {
        let of = labels(&stream["stream"]);
        for entry in stream["values"].as_array().into_iter().flatten() {
            let (Some(at), Some(text)) = (entry[0].as_str(), entry[1].as_str()) else {
                continue;
            };
            found.push(LogLine {
                at: at.parse().unwrap_or_default(),
                labels: of.clone(),
                metadata: parts
                    .iter()
                    .flat_map(|part| labels(&entry[2][part]))
                    .collect(),
                text: text.to_owned(),
            });
        }
    }
    found.sort_by_key(|line| line.at);
    found
}

pub(super) fn nanoseconds(at: SystemTime) -> u64 {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_and_structured_metadata_stay_apart_and_lines_come_in_order() {
        let answer = json!({"data": {"resultType": "streams", "encodingFlags": ["categorize-labels"], "result": [
            {"stream": {"service_name": "order", "lane": "otlp"}, "values": [
                ["20", "second", {"structuredMetadata": {"trace_id": "ab"}}]]},
            {"stream": {"service_name": "product", "lane": "otlp"}, "values": [["10", "first", {}]]}]}});
        let lines = lines(&answer, &["structuredMetadata"]);
        assert_eq!(lines[0].text, "first");
        assert_eq!(lines[1].meta("trace_id"), "ab");
        assert_eq!(lines[1].label("trace_id"), "");
        assert_eq!(lines[1].label("lane"), "otlp");
    }
}
