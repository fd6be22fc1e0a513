//! A configuration is taken as a whole or refused as a whole.

use std::time::Duration;

use telemetry::config::{Environment, Propagator, Reader, TelemetryConfig};
use telemetry_testing::{Sink, Temporality};

use crate::support::{SERVICE, config, greeter};

/// What is refused of `variables`, one line each.
fn refused(variables: &[(&str, &str)]) -> Vec<String> {
    let environment: Environment = variables.iter().copied().collect();
    let lookup = |name: &str| environment.get(name);
    let mut reader = Reader::new(&lookup);
    TelemetryConfig::read(&mut reader, SERVICE);
    let refused = reader.finish().err();
    refused.map_or(Vec::new(), |refused| {
        refused.to_string().lines().map(str::to_owned).collect()
    })
}

/// Exactly one refusal, which names the variable and contains `expected`.
#[track_caller]
fn check(variable: &str, value: &str, expected: &str) {
    let lines = refused(&[(variable, value)]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(&format!("{variable}=")), "{lines:?}");
    assert!(lines[0].contains(expected), "{lines:?}");
}

#[test]
fn a_refused_configuration_ends_with_64_and_names_every_variable_value_and_expectation() {
    let sink = Sink::start();
    let child = greeter(
        &sink.endpoint(),
        &[
            ("SHOP_LISTEN_ADDR", "everywhere"),
            ("SHOP_DRAIN_TIMEOUT", "10"),
            ("SHOP_LOG_LEVLE", "info"),
            (
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
                "https://collector:4318/v1/logs",
            ),
        ],
    );
    let exit = child.wait();
    assert_eq!(exit.code, Some(64));
    let expected = "greeter: refused its configuration
OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=\"https://collector:4318/v1/logs\": expected http:// with a host, such as http://127.0.0.1:4318; \
this build has no TLS: send to a Collector on this machine or network and let that one speak https
SHOP_DRAIN_TIMEOUT=\"10\": expected a duration with its unit, such as 5s or 200ms
SHOP_LISTEN_ADDR=\"everywhere\": expected an IP address and port, such as 127.0.0.1:8080
SHOP_LOG_LEVLE=\"info\": expected a known name; did you mean SHOP_LOG_LEVEL?
";
    assert_eq!(exit.stderr, expected);
    assert_eq!(sink.requests(), []);
}

#[test]
fn a_variable_without_effect_gives_one_warning() {
    let sink = Sink::start();
    let child = greeter(&sink.endpoint(), &[("OTEL_TRACES_EXPORTER", "console")]);
    child.listening();
    child.terminate();
    let lines = child.wait().log_lines;
    let about = |line: &&serde_json::Value| line.to_string().contains("OTEL_TRACES_EXPORTER");
    let warnings: Vec<_> = lines.iter().filter(about).collect();
    assert_eq!(warnings.len(), 1, "{lines:?}");
    assert_eq!(warnings[0]["level"], "WARN");
    assert_eq!(warnings[0]["event.name"], "telemetry.diagnostic");
}

#[test]
fn metrics_are_cumulative_whatever_the_environment_prefers() {
    let sink = Sink::start();
    let preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    let child = greeter(&sink.endpoint(), &[(preference, "delta")]);
    let counted = sink.metric("greeter.greetings").eventually();
    assert_eq!(counted.temporality, Some(Temporality::Cumulative));
    drop(child);
}

#[test]
fn an_endpoint_this_build_cannot_reach_is_refused_with_the_remedy() {
    let general = "OTEL_EXPORTER_OTLP_ENDPOINT";
    for value in [
        "localhost:4318",
        "https://localhost:4318",
        "127.0.0.1",
        "http://",
        "grpc://a:1",
    ] {
        check(general, value, "this build has no TLS");
    }
    check(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "localhost:4318",
        "this build has no TLS",
    );
    check("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf");
}

#[test]
fn each_kind_of_value_is_checked() {
    check("OTEL_SDK_DISABLED", "yes", "true or false");
    check("OTEL_BSP_SCHEDULE_DELAY", "200ms", "milliseconds");
    check("OTEL_BLRP_MAX_QUEUE_SIZE", "0", "1 or more");
    check("OTEL_METRIC_EXPORT_INTERVAL", "-1", "milliseconds");
    check("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds");
    check("OTEL_TRACES_SAMPLER", "sometimes", "traceidratio");
    check("OTEL_TRACES_SAMPLER_ARG", "1.5", "from 0 to 1");
    check("OTEL_SPAN_LINK_COUNT_LIMIT", "many", "a whole number");
    check("OTEL_PROPAGATORS", "b3", "tracecontext and baggage");
    check("OTEL_RESOURCE_ATTRIBUTES", "team", "percent-encoded");
    for size in ["0", "4097"] {
        check("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", size, "from 1 to 4096");
    }
    let beyond = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096"),
    ];
    let told = r#"OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4096": expected at most the queue's size, 100"#;
    assert_eq!(refused(&beyond), [told]);
    check("SHOP_LOG_LEVEL", "loud", "trace, debug");
    check("SHOP_LOG_CONSOLE", "yes", "auto, on or off");
    check("SHOP_LOG_FILE_MAX", "lots", "64KiB");
    check("SHOP_LOG_FILE_KEEP", "-1", "1 or more");
}

#[test]
fn headers_are_read_per_signal_and_never_shown() {
    let lines = refused(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization")]);
    assert_eq!(
        lines,
        [
            "OTEL_EXPORTER_OTLP_HEADERS=\"(not shown)\": expected name=value pairs separated by commas, percent-encoded"
        ]
    );
    let config = config(&[
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "a=1,authorization=Bearer%20x".to_owned(),
        ),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "b=2".to_owned()),
    ]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        config.traces.headers,
        [pair("a", "1"), pair("authorization", "Bearer x")]
    );
    assert_eq!(config.logs.headers, [pair("b", "2")]);
}

#[test]
fn a_general_endpoint_is_a_base_and_a_specific_one_is_used_as_it_is() {
    let config = config(&[
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://collector:4318/otlp/".to_owned(),
        ),
        (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "http://other:9/custom".to_owned(),
        ),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000".to_owned()),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "300".to_owned()),
    ]);
    assert_eq!(
        config.traces.endpoint,
        "http://collector:4318/otlp/v1/traces"
    );
    assert_eq!(config.metrics.endpoint, "http://other:9/custom");
    assert_eq!(config.traces.timeout, Duration::from_secs(2));
    assert_eq!(config.logs.timeout, Duration::from_millis(300));
}

#[test]
fn defaults_are_the_documented_ones_and_an_empty_value_counts_as_not_set() {
    let config = config(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", String::new()),
        ("SHOP_LOG_LEVEL", String::new()),
    ]);
    assert_eq!(config.logs.endpoint, "http://127.0.0.1:4318/v1/logs");
    assert_eq!(config.span_batching.delay, Duration::from_millis(200));
    assert_eq!(config.log_batching.queue, 16_384);
    assert_eq!(config.metric_interval, Duration::from_secs(5));
    assert_eq!(
        config.propagators,
        [Propagator::TraceContext, Propagator::Baggage]
    );
    assert_eq!(config.log.level, slog::Level::Info);
    assert_eq!(config.log.file_max, 64 * 1024 * 1024);
    assert_eq!(config.drain_timeout, Duration::from_secs(10));
    assert_eq!(config.service_name, SERVICE.name);
    assert!(config.is_enabled);
}

#[test]
fn the_reader_reads_each_kind() {
    let environment: Environment = [
        ("SHOP_REQUEST_TIMEOUT", "1m 30s"),
        ("SHOP_MAX_BODY", "2KiB"),
        ("SHOP_MAX_IN_FLIGHT", "7"),
        ("SHOP_FAULTS", "on"),
        ("SHOP_BAGGAGE_ALLOW", " a, ,b "),
        ("SHOP_PRODUCT_URL", "http://product:81/base"),
        ("SHOP_LISTEN_ADDR", "[::1]:0"),
    ]
    .into_iter()
    .collect();
    let lookup = |name: &str| environment.get(name);
    let mut reader = Reader::new(&lookup);
    assert_eq!(
        reader.duration("SHOP_REQUEST_TIMEOUT", Duration::ZERO),
        Duration::from_secs(90)
    );
    assert_eq!(reader.bytes("SHOP_MAX_BODY", 1), 2048);
    assert_eq!(reader.count("SHOP_MAX_IN_FLIGHT", 1), 7);
    assert!(reader.switch("SHOP_FAULTS", false));
    assert_eq!(reader.list("SHOP_BAGGAGE_ALLOW"), ["a", "b"]);
    assert_eq!(
        reader.url("SHOP_PRODUCT_URL", "http://a:1").host(),
        Some("product")
    );
    assert!(reader.address("SHOP_LISTEN_ADDR", "127.0.0.1:1").is_ipv6());
    assert_eq!(reader.text("SHOP_GRAFANA_URL", ""), "");
    assert!(reader.finish().is_ok());
}

#[test]
fn a_name_outside_the_table_is_a_mistake_of_the_code() {
    let mut reader = Reader::new(&|_| None);
    reader.text("SHOP_NOBODY_KNOWS", "");
    assert!(
        reader
            .finish()
            .unwrap_err()
            .to_string()
            .contains("SHOP_NOBODY_KNOWS")
    );
}
