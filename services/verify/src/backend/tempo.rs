//! TraceQL, and traces by id.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use telemetry_testing::{Trace, json};

use super::backend;

backend!(Tempo, "/ready");

// === impl Tempo ===

impl Tempo {
    pub async fn trace(&self, id: &str) -> anyhow::Result<Option<Trace>> {
        self.fetch(&format!("/api/v2/traces/{id}")).await
    }

    /// `/api/traces/{id}`, which older pages name; its list is called `batches`.
    pub async fn trace_by_old_address(&self, id: &str) -> anyhow::Result<Option<Trace>> {
        self.fetch(&format!("/api/traces/{id}")).await
    }

    async fn fetch(&self, path: &str) -> anyhow::Result<Option<Trace>> {
        let document = self.http.json_if_found(path).await?;
        let spans = document.map(|document| json::spans(&document).items);
        Ok(spans.filter(|spans| !spans.is_empty()).map(Trace::new))
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
        let query = [
            ("q", traceql),
            ("start", &start),
            ("end", &end),
            ("limit", "500"),
        ];
        Ok(found(&self.get("/api/search", &query).await?))
    }

    /// How many series a TraceQL metrics query answers.
    pub async fn series(
        &self,
        traceql: &str,
        since: SystemTime,
        step: Duration,
    ) -> anyhow::Result<usize> {
        let start = seconds(since).to_string();
        let end = (seconds(SystemTime::now()) + 1).to_string();
        let step = format!("{}s", step.as_secs().max(1));
        let query = [
            ("q", traceql),
            ("start", &start),
            ("end", &end),
            ("step", &step),
        ];
        let answer = self.get("/api/metrics/query_range", &query).await?;
        Ok(answer["series"].as_array().map_or(0, Vec::len))
    }

    /// Every attribute that some span has, with its scope, and the intrinsics.
    pub async fn attributes(&self) -> anyhow::Result<BTreeSet<String>> {
        let answer = self.get("/api/v2/search/tags", &[]).await?;
        Ok(attributes(&answer))
    }
}

/// `resource.service.name`, `span.http.route`, `event.x`; intrinsics stand without a scope.
fn attributes(answer: &Value) -> BTreeSet<String> {
    let mut attributes = BTreeSet::new();
    for scope in answer["scopes"].as_array().into_iter().flatten() {
        let name = scope["name"].as_str().unwrap_or_default();
        let tags = scope["tags"].as_array().into_iter().flatten();
        attributes.extend(tags.filter_map(Value::as_str).map(|tag| match name {
            "intrinsic" => tag.to_owned(),
            scope => format!("{scope}.{tag}"),
        }));
    }
    attributes
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
    fn attributes_have_their_scope_and_a_shortened_trace_id_is_made_whole() {
        let answer = json!({"scopes": [{"name": "span", "tags": ["http.route"]}, {"name": "intrinsic", "tags": ["kind"]}]});
        let expected = BTreeSet::from(["kind".to_owned(), "span.http.route".to_owned()]);
        assert_eq!(attributes(&answer), expected);
        let answer = json!({"traces": [{"traceID": "f7651916cd43dd8448eb211c80319c"}]});
        assert!(found(&answer).contains("00f7651916cd43dd8448eb211c80319c"));
    }
}
