//! Links from one request to what the three signals say about it.

use std::time::{Duration, SystemTime};

use http::Uri;
use serde::Serialize;
use serde_json::json;

use crate::config::Backends;

/// Runs of scenarios by status. A total and no rate: `rate()` does not see the first run of a status.
const METRICS_QUERY: &str = r#"sum by (http_response_status_code) (http_server_request_duration_seconds_count{service_name="gateway", http_route="/api/scenarios/{name}"})"#;
/// What a dashboard shows before and after the run, to tell it from the usual.
const AROUND: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Serialize)]
pub(crate) struct Links {
    /// Absent where nothing answers for a single trace: then `just trace ID` does.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    /// Absent where nothing answers for log lines: then `just trace ID` does.
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<String>,
    metrics: String,
}

impl Links {
    /// Of a run that ended at `ended`.
    pub(crate) fn new(backends: &Backends, trace_id: &str, ended: SystemTime) -> Self {
        // One lane: the file lane holds the same records again.
        let logs = format!(r#"{{lane="otlp"}} | trace_id="{trace_id}""#);
        match &backends.grafana {
            Some(grafana) => Self {
                trace: backends
                    .tempo
                    .as_ref()
                    .map(|_| explore(grafana, "tempo", "traceql", "query", trace_id)),
                logs: backends
                    .loki
                    .as_ref()
                    .map(|_| explore(grafana, "loki", "range", "expr", &logs)),
                metrics: dashboard(grafana, ended),
            },
            None => Self {
                trace: backends
                    .tempo
                    .as_ref()
                    .map(|tempo| format!("{}/api/traces/{trace_id}", base(tempo))),
                logs: backends.loki.as_ref().map(|loki| {
                    let query = encode(&logs);
                    format!(
                        "{}/loki/api/v1/query_range?since=1h&query={query}",
                        base(loki)
                    )
                }),
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

/// The service dashboard of `grafana/dashboards`, for the gateway, in the minutes around the run.
fn dashboard(grafana: &Uri, ended: SystemTime) -> String {
    let milliseconds = |at: SystemTime| {
        let since = at.duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default().as_millis()
    };
    format!(
        "{}/d/shop-service?orgId=1&var-service=gateway&from={}&to={}",
        base(grafana),
        milliseconds(ended - AROUND),
        milliseconds(ended + AROUND)
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
            loki: Some(Uri::from_static("http://127.0.0.1:3100/")),
            prometheus: Uri::from_static("http://127.0.0.1:9090/prom/"),
        }
    }

    fn links(backends: &Backends) -> Links {
        let ended = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_000_000_123);
        Links::new(backends, TRACE_ID, ended)
    }

    #[test]
    fn without_grafana_links_open_the_backends_own_answers() {
        let links = links(&backends(None));
        assert_eq!(
            links.trace,
            Some(format!("http://127.0.0.1:3200/api/traces/{TRACE_ID}"))
        );
        let query = format!("query=%7Blane%3D%22otlp%22%7D%20%7C%20trace_id%3D%22{TRACE_ID}%22");
        let logs = "http://127.0.0.1:3100/loki/api/v1/query_range?since=1h&";
        assert_eq!(links.logs, Some(format!("{logs}{query}")));
        assert!(
            links
                .metrics
                .starts_with("http://127.0.0.1:9090/prom/api/v1/query?query=sum")
        );
    }

    #[test]
    fn a_first_run_shows_in_the_metrics_which_a_rate_would_hide() {
        assert!(!METRICS_QUERY.contains("rate(") && !METRICS_QUERY.contains("increase("));
    }

    #[test]
    fn what_no_backend_keeps_has_no_link() {
        for grafana in [None, Some("https://grafana.example")] {
            let mut backends = backends(grafana);
            backends.tempo = None;
            let shown = serde_json::to_value(links(&backends)).unwrap();
            assert!(shown.get("trace").is_none(), "{shown}");
            assert!(shown.get("logs").is_some(), "{shown}");
            backends.loki = None;
            let shown = serde_json::to_value(links(&backends)).unwrap();
            assert!(
                shown.get("logs").is_none() && shown.get("metrics").is_some(),
                "{shown}"
            );
        }
    }

    #[test]
    fn with_grafana_trace_and_logs_open_explore() {
        let links = links(&backends(Some("https://grafana.example/sub/")));
        for (link, source) in [
            (links.trace.unwrap(), "tempo"),
            (links.logs.unwrap(), "loki"),
        ] {
            assert!(
                link.starts_with("https://grafana.example/sub/explore?schemaVersion=1&"),
                "{link}"
            );
            for part in [format!(r#""uid":"{source}""#), TRACE_ID.to_owned()] {
                assert!(link.contains(&encode(&part)), "{link}");
            }
            assert!(link.parse::<Uri>().is_ok(), "{link}");
        }
    }

    #[test]
    fn with_grafana_metrics_open_the_dashboard_of_the_gateway_around_the_run() {
        let links = links(&backends(Some("https://grafana.example/sub/")));
        assert_eq!(
            links.metrics,
            "https://grafana.example/sub/d/shop-service?orgId=1&var-service=gateway\
             &from=1794999700123&to=1795000300123"
        );
    }
}
