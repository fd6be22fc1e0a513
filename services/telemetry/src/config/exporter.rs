//! Where one signal is sent: `OTEL_EXPORTER_OTLP_*`, general and per signal.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use super::reader::plain_url;
use super::{Reader, otel};

const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:4318";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const ENDPOINT: &str = "http:// with a host, such as http://127.0.0.1:4318; this build has no TLS: \
     send to a Collector on this machine or network and let that one speak https";

/// Where one signal is sent, and how long one attempt may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExporterConfig {
    /// The full URL that is posted to.
    pub endpoint: Uri,
    /// Headers of every request, decoded.
    pub headers: Vec<(String, String)>,
    /// The longest time of one attempt; what [`crate::delivery`] derives its pauses and budget from.
    pub timeout: Duration,
}

impl ExporterConfig {
    /// Reads the form for `signal` (`TRACES`, `METRICS`, `LOGS`), which wins over the general form.
    pub(super) fn read(reader: &mut Reader<'_>, signal: &str) -> Self {
        let specific = |name: &str| format!("OTEL_EXPORTER_OTLP_{signal}_{name}");
        protocol(reader, &specific("PROTOCOL"));
        Self {
            endpoint: endpoint(reader, &specific("ENDPOINT"), signal),
            headers: headers(reader, &specific("HEADERS")),
            timeout: timeout(reader, &specific("TIMEOUT")),
        }
    }
}

/// The general endpoint is a base, to which the signal's path is added; the specific one is used as it is.
fn endpoint(reader: &mut Reader<'_>, specific: &str, signal: &str) -> Uri {
    let base = reader
        .get("OTEL_EXPORTER_OTLP_ENDPOINT")
        .filter(|base| plain_url(base).is_some())
        .unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
    let path = signal.to_ascii_lowercase();
    let full = format!("{}/v1/{path}", base.trim_end_matches('/'));
    #[expect(
        clippy::expect_used,
        reason = "a URL that parsed also parses with a longer path"
    )]
    let default = plain_url(&full).expect("a base URL with a path is a URL");
    reader.parse(specific, default, ENDPOINT, plain_url)
}

fn headers(reader: &mut Reader<'_>, specific: &str) -> Vec<(String, String)> {
    for variable in [specific, "OTEL_EXPORTER_OTLP_HEADERS"] {
        if let Some(text) = reader.get(variable) {
            return valid_headers(&text).unwrap_or_default();
        }
    }
    Vec::new()
}

fn valid_headers(text: &str) -> Option<Vec<(String, String)>> {
    let valid = |(name, value): &(String, String)| {
        HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok()
    };
    otel::pairs(text).filter(|pairs| pairs.iter().all(valid))
}

fn timeout(reader: &mut Reader<'_>, specific: &str) -> Duration {
    let general = reader
        .get("OTEL_EXPORTER_OTLP_TIMEOUT")
        .and_then(|text| text.parse().ok())
        .map_or(DEFAULT_TIMEOUT, Duration::from_millis);
    otel::milliseconds(reader, specific, general)
}

fn protocol(reader: &mut Reader<'_>, variable: &str) {
    let expected = "http/protobuf, the only protocol of this build (its usual port is 4318)";
    reader.parse(variable, (), expected, |text| {
        (text == "http/protobuf").then_some(())
    });
}

/// Checks the general forms once; [`ExporterConfig::read`] then takes them per signal without a second complaint.
pub(super) fn check_general(reader: &mut Reader<'_>) {
    protocol(reader, "OTEL_EXPORTER_OTLP_PROTOCOL");
    reader.parse("OTEL_EXPORTER_OTLP_ENDPOINT", (), ENDPOINT, |text| {
        plain_url(text).map(|_| ())
    });
    otel::milliseconds(reader, "OTEL_EXPORTER_OTLP_TIMEOUT", DEFAULT_TIMEOUT);
    for signal in ["", "TRACES_", "METRICS_", "LOGS_"] {
        let variable = format!("OTEL_EXPORTER_OTLP_{signal}HEADERS");
        let Some(text) = reader.get(&variable) else {
            continue;
        };
        if valid_headers(&text).is_none() {
            // Headers carry credentials: the value is named, never shown.
            let expected = "name=value pairs separated by commas, percent-encoded";
            reader.refuse(&variable, "(not shown)", expected);
        }
    }
}
