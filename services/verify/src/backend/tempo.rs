//! TraceQL, and traces by id.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::Http;
use crate::otlp;
use crate::trace::Trace;

#[derive(Clone, Debug)]
pub struct Tempo {
    http: Http,
}

// === impl Tempo ===

impl Tempo {
    pub fn new(base: &str) -> anyhow::Result<Self> {
        Ok(Self {
            http: Http::new(base)?,
        })
    }

    pub fn base(&self) -> &str {
        self.http.base()
    }

    pub async fn ready(&self) -> anyhow::Result<()> {
        self.http.text("/ready").await.map(drop)
    }

    pub async fn trace(&self, id: &str) -> anyhow::Result<Option<Trace>> {
        let answer = self
            .http
            .json_if_found(&format!("/api/v2/traces/{id}"))
            .await?;
        Ok(answer
            .map(|document| Trace::new(otlp::spans(&document)))
            .filter(|trace| !trace.spans.is_empty()))
    }

    /// `/api/traces/{id}`, which older pages name; its list is called `batches`.
    pub async fn trace_by_old_address(&self, id: &str) -> anyhow::Result<Option<Trace>> {
        let answer = self
            .http
            .json_if_found(&format!("/api/traces/{id}"))
            .await?;
        Ok(answer
            .map(|document| Trace::new(otlp::spans(&document)))
            .filter(|trace| !trace.spans.is_empty()))
    }

    /// The ids of the traces a TraceQL query finds.
    pub async fn search(
        &self,
        traceql: &str,
        since: SystemTime,
    ) -> anyhow::Result<BTreeSet<String>> {
        // Tempo takes whole seconds: round outwards.
        let start = seconds(since).saturating_sub(1).to_string();
        let end = (seconds(SystemTime::now() + Duration::from_secs(1)) + 1).to_string();
        let answer = self
            .http
            .json(
                "/api/search",
                &[
                    ("q", traceql),
                    ("start", &start),
                    ("end", &end),
                    ("limit", "500"),
                ],
            )
            .await?;
        Ok(found(&answer))
    }
}

/// Tempo drops leading zeros of a trace id in search results.
fn found(answer: &Value) -> BTreeSet<String> {
    answer["traces"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|trace| trace["traceID"].as_str())
        .map(|id| format!("{id:0>32}"))
        .collect()
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_shortened_trace_id_is_made_whole() {
        let answer = json!({"traces": [{"traceID": "f7651916cd43dd8448eb211c80319c"}]});
        assert!(found(&answer).contains("00f7651916cd43dd8448eb211c80319c"));
    }
}
