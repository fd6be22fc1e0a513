//! Standard variables that this build does not follow.

use super::Environment;

/// Standard variables that are known and have no effect here, each with the reason and what to do.
///
/// One that is set gives one warning at start; so does any other `OTEL_*` name that is not in [`super::TelemetryConfig`].
pub const UNSUPPORTED: &[(&str, &str)] = &[
    (
        "OTEL_TRACES_EXPORTER",
        "the exporter is always otlp; OTEL_SDK_DISABLED=true sends nothing",
    ),
    (
        "OTEL_METRICS_EXPORTER",
        "the exporter is always otlp; OTEL_SDK_DISABLED=true sends nothing",
    ),
    (
        "OTEL_LOGS_EXPORTER",
        "the exporter is always otlp; OTEL_SDK_DISABLED=true sends nothing",
    ),
    ("OTEL_LOG_LEVEL", "the level of all logs is SHOP_LOG_LEVEL"),
    (
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "requests are not compressed: the Collector is near",
    ),
    (
        "OTEL_EXPORTER_OTLP_INSECURE",
        "requests are never encrypted in this build",
    ),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "no TLS in this build"),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "no TLS in this build"),
    (
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "no TLS in this build",
    ),
    (
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "always cumulative, as Prometheus needs it",
    ),
    (
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "always explicit buckets",
    ),
    (
        "OTEL_METRIC_EXPORT_TIMEOUT",
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT bounds an export",
    ),
    (
        "OTEL_METRICS_EXEMPLAR_FILTER",
        "the Rust SDK has no exemplars",
    ),
    (
        "OTEL_BSP_EXPORT_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT bounds an export",
    ),
    (
        "OTEL_BLRP_EXPORT_TIMEOUT",
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT bounds an export",
    ),
    (
        "OTEL_BSP_MAX_CONCURRENT_EXPORTS",
        "the SDK exports one batch at a time",
    ),
    (
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "the Rust SDK has no limit of lengths",
    ),
    (
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
        "the Rust SDK knows only the limits of spans",
    ),
    (
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "the Rust SDK has no limit of lengths",
    ),
    (
        "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "the Rust SDK has no limits of log records",
    ),
    (
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
        "the Rust SDK has no limits of log records",
    ),
    ("OTEL_CONFIG_FILE", "configuration is by variables"),
    (
        "OTEL_EXPERIMENTAL_CONFIG_FILE",
        "configuration is by variables",
    ),
    ("OTEL_ENTITIES", "the resource is OTEL_RESOURCE_ATTRIBUTES"),
];

/// Names that [`super::TelemetryConfig`] reads, but for those of exporters.
const SUPPORTED: &[&str] = &[
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BLRP_SCHEDULE_DELAY",
    "OTEL_BLRP_MAX_QUEUE_SIZE",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_PROPAGATORS",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
];

/// One line for each `OTEL_*` variable that is set and has no effect.
pub(crate) fn warnings(environment: &Environment) -> Vec<String> {
    let ignored = environment
        .names()
        .filter(|name| name.starts_with("OTEL_") && !is_supported(name));
    ignored
        .map(|name| {
            let general = without_signal(name);
            let known = UNSUPPORTED
                .iter()
                .find(|(known, _)| *known == name || *known == general);
            let reason = known.map_or("it is not known here", |(_, reason)| reason);
            format!("{name} is set and has no effect: {reason}")
        })
        .collect()
}

fn is_supported(name: &str) -> bool {
    let per_signal = ["ENDPOINT", "HEADERS", "TIMEOUT", "PROTOCOL"];
    let exporter = without_signal(name);
    let suffix = exporter.strip_prefix("OTEL_EXPORTER_OTLP_");
    SUPPORTED.contains(&name) || suffix.is_some_and(|suffix| per_signal.contains(&suffix))
}

/// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is `OTEL_EXPORTER_OTLP_ENDPOINT` for one signal.
fn without_signal(name: &str) -> String {
    let prefix = "OTEL_EXPORTER_OTLP_";
    let Some(rest) = name.strip_prefix(prefix) else {
        return name.to_owned();
    };
    let signals = ["TRACES_", "METRICS_", "LOGS_"];
    let general = signals.iter().find_map(|signal| rest.strip_prefix(signal));
    format!("{prefix}{}", general.unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_without_effect_gives_exactly_one_warning() {
        let environment: Environment = [
            ("OTEL_SERVICE_NAME", "order"),
            ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "100"),
            ("OTEL_LOG_LEVEL", "debug"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
            ("OTEL_NEVER_HEARD_OF", "1"),
            ("OTEL_CONFIG_FILE", ""),
            ("OTHER", "1"),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            warnings(&environment),
            [
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE is set and has no effect: always cumulative, as Prometheus needs it",
                "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION is set and has no effect: requests are not compressed: the Collector is near",
                "OTEL_LOG_LEVEL is set and has no effect: the level of all logs is SHOP_LOG_LEVEL",
                "OTEL_NEVER_HEARD_OF is set and has no effect: it is not known here",
            ]
        );
    }

    #[test]
    fn no_variable_is_both_supported_and_not() {
        for (name, _) in UNSUPPORTED {
            assert!(!is_supported(name), "{name}");
        }
    }
}
