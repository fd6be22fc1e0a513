//! Links from one request to what the three signals say about it.

use http::Uri;
use serde::Serialize;
use serde_json::json;

use crate::config::Backends;

/// Requests to the scenario route by status: the metric beside the trace and the logs.
const METRICS_QUERY: &str = r#"sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count{service_name="gateway", http_route="/api/scenarios/{name}"}[1m]))"#;

#[derive(Debug, Serialize)]
pub(crate) struct Links {
    /// Absent where nothing answers for a single trace: then `just trace ID` does.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    logs: String,
    metrics: String,
}

impl Links {
    pub(crate) fn new(backends: &Backends, trace_id: &str) -> Self {
        // One lane: the file lane holds the same records again.
        let logs = format!(r#"{{lane="otlp"}} | trace_id="{trace_id}""#);
        match &backends.grafana {
            Some(grafana) => Self {
                trace: Some(explore(grafana, "tempo", "traceql", "query", trace_id)),
                logs: explore(grafana, "loki", "range", "expr", &logs),
                metrics: explore(grafana, "prometheus", "range", "expr", METRICS_QUERY),
            },
            None => Self {
                trace: backends
                    .tempo
                    .as_ref()
                    .map(|tempo| format!("{}/api/traces/{trace_id}", base(tempo))),
                logs: format!(
                    "{}/loki/api/v1/query_range?since=1h&query={}",
                    base(&backends.loki),
                    encode(&logs)
                ),
                metrics: format!(
                    "{}/api/v1/query?query={}",
                    base(&backends.prometheus),
                    encode(METRICS_QUERY)
                ),
            },
        }
    }
}

/// Grafana Explore with one query. The data sources' uids are those of `grafana/provisioning/datasources`.
fn explore(grafana: &Uri, source: &str, query_type: &str, key: &str, query: &str) -> String {
    let panes = json!({"shop": {
        "datasource": source,
        "queries": [{
            "refId": "A",
            "datasource": {"type": source, "uid": source},
            "queryType": query_type,
            key: query,
        }],
        "range": {"from": "now-1h", "to": "now"},
    }});
    let panes = encode(&panes.to_string());
    format!(
        "{}/explore?schemaVersion=1&orgId=1&panes={panes}",
        base(grafana)
    )
}

fn base(uri: &Uri) -> String {
    uri.to_string().trim_end_matches('/').to_owned()
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn backends(grafana: Option<&'static str>) -> Backends {
        Backends {
            grafana: grafana.map(Uri::from_static),
            tempo: Some(Uri::from_static("http://127.0.0.1:3200")),
            loki: Uri::from_static("http://127.0.0.1:3100/"),
            prometheus: Uri::from_static("http://127.0.0.1:9090/prom/"),
        }
    }

    #[test]
    fn without_grafana_links_open_the_backends_own_answers() {
        let links = Links::new(&backends(None), TRACE_ID);
        assert_eq!(
            links.trace,
            Some(format!("http://127.0.0.1:3200/api/traces/{TRACE_ID}"))
        );
        let query = format!("query=%7Blane%3D%22otlp%22%7D%20%7C%20trace_id%3D%22{TRACE_ID}%22");
        let logs = "http://127.0.0.1:3100/loki/api/v1/query_range?since=1h&";
        assert_eq!(links.logs, format!("{logs}{query}"));
        assert!(
            links
                .metrics
                .starts_with("http://127.0.0.1:9090/prom/api/v1/query?query=sum")
        );
    }

    #[test]
    fn without_tempo_there_is_no_link_to_a_trace() {
        let mut backends = backends(None);
        backends.tempo = None;
        let links = serde_json::to_value(Links::new(&backends, TRACE_ID)).unwrap();
        assert!(links.get("trace").is_none(), "{links}");
        assert!(links.get("logs").is_some(), "{links}");
    }

    #[test]
    fn with_grafana_all_links_open_explore() {
        let links = Links::new(&backends(Some("https://grafana.example/sub/")), TRACE_ID);
        for (link, source) in [
            (links.trace.unwrap(), "tempo"),
            (links.logs, "loki"),
            (links.metrics, "prometheus"),
        ] {
            assert!(
                link.starts_with("https://grafana.example/sub/explore?schemaVersion=1&"),
                "{link}"
            );
            assert!(
                link.contains(&encode(&format!(r#""uid":"{source}""#))),
                "{link}"
            );
            assert!(link.parse::<Uri>().is_ok(), "{link}");
        }
    }
}
