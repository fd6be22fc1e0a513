//! What the telemetry of a service is built from.

use std::path::PathBuf;
use std::time::Duration;

use opentelemetry_sdk::trace::SpanLimits;

use super::{ExporterConfig, Propagator, Reader, SamplerConfig, exporter, otel};
use crate::Service;

/// Everything [`crate::Telemetry`] needs to know, from `OTEL_*` and the `SHOP_*` that every service reads.
///
/// | variable | default | meaning |
/// |---|---|---|
/// | `OTEL_SDK_DISABLED` | `false` | `true`: nothing is sent; the log file and the propagators stay |
/// | `OTEL_SERVICE_NAME` | the service's own | wins over `service.name` in `OTEL_RESOURCE_ATTRIBUTES` |
/// | `OTEL_RESOURCE_ATTRIBUTES` | none | `key=value,…`, percent-decoded |
/// | `OTEL_EXPORTER_OTLP_ENDPOINT` | `http://127.0.0.1:4318` | base URL; `…_{TRACES,METRICS,LOGS}_ENDPOINT`: full URL |
/// | `OTEL_EXPORTER_OTLP_HEADERS` | none | `name=value,…`; also per signal |
/// | `OTEL_EXPORTER_OTLP_TIMEOUT` | `10000` | one attempt, ms; also per signal; scales retries, see [`crate::delivery`] |
/// | `OTEL_EXPORTER_OTLP_PROTOCOL` | `http/protobuf` | nothing else; also per signal |
/// | `OTEL_BSP_SCHEDULE_DELAY`, `OTEL_BLRP_SCHEDULE_DELAY` | `200` | longest wait of a span, a log record, in its queue, ms |
/// | `OTEL_BSP_MAX_QUEUE_SIZE`, `OTEL_BLRP_MAX_QUEUE_SIZE` | `16384` | waiting items; more are dropped and counted |
/// | `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`, `OTEL_BLRP_MAX_EXPORT_BATCH_SIZE` | `512` | items of one request, at most 4096 and the queue's size |
/// | `OTEL_METRIC_EXPORT_INTERVAL` | `5000` | ms |
/// | `OTEL_TRACES_SAMPLER` | `parentbased_always_on` | with `OTEL_TRACES_SAMPLER_ARG` for a ratio |
/// | `OTEL_SPAN_{ATTRIBUTE,EVENT,LINK}_COUNT_LIMIT`, `OTEL_{EVENT,LINK}_ATTRIBUTE_COUNT_LIMIT` | `128` | more are dropped |
/// | `OTEL_PROPAGATORS` | `tracecontext,baggage` | these or `none` |
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// Name of the service's code: names the log file, and the service unless the environment does.
    pub service: Service,
    /// `service.name` of the resource.
    pub service_name: String,
    /// `deployment.environment.name` of the resource.
    pub environment: String,
    /// `OTEL_RESOURCE_ATTRIBUTES` without `service.name`.
    pub resource_attributes: Vec<(String, String)>,
    /// `false` under `OTEL_SDK_DISABLED`.
    pub is_enabled: bool,
    /// Where spans go.
    pub traces: ExporterConfig,
    /// Where metrics go.
    pub metrics: ExporterConfig,
    /// Where log records go.
    pub logs: ExporterConfig,
    /// The queue of spans.
    pub span_batching: Batching,
    /// The queue of log records.
    pub log_batching: Batching,
    /// How often metrics are exported.
    pub metric_interval: Duration,
    /// What decides whether a trace is recorded.
    pub sampler: SamplerConfig,
    /// The most attributes, events and links of a span.
    pub span_limits: SpanLimits,
    /// What carries the context between services.
    pub propagators: Vec<Propagator>,
    /// The JSON log file and the console.
    pub log: LogConfig,
    /// Longest wait for running requests at the end.
    pub drain_timeout: Duration,
    /// Longest wait for telemetry at the end, all signals together.
    pub flush_timeout: Duration,
}

/// A queue in front of an exporter: bounded, so that an outage costs items and never memory without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// The longest wait of an item.
    pub delay: Duration,
    /// The most items that wait; one more is dropped and counted as `queue_full`.
    pub queue: usize,
    /// The most items of one request.
    pub batch: usize,
}

/// The lanes a log record takes beside OTLP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Directory of the file.
    pub dir: PathBuf,
    /// The least severity that is logged, in all lanes.
    pub level: slog::Level,
    /// `on` and `off`; `None` is `auto`: on when stderr is a terminal.
    pub console: Option<bool>,
    /// Bytes at which the file is rotated.
    pub file_max: u64,
    /// Rotated files kept.
    pub file_keep: usize,
}

impl TelemetryConfig {
    /// Reads what every service shares; what was wrong stays in `reader`.
    pub fn read(reader: &mut Reader<'_>, service: Service) -> Self {
        let mut attributes = reader.parse(
            "OTEL_RESOURCE_ATTRIBUTES",
            Vec::new(),
            "key=value pairs separated by commas, percent-encoded",
            otel::pairs,
        );
        let named = |(key, value): &(String, String)| {
            (key == "service.name" && !value.is_empty()).then(|| value.clone())
        };
        let attribute = attributes.iter().find_map(named);
        attributes.retain(|(key, _)| key != "service.name");
        let default = attribute.as_deref().unwrap_or(service.name);
        let service_name = reader.text("OTEL_SERVICE_NAME", default);

        exporter::check_general(reader);
        Self {
            service,
            service_name,
            environment: reader.text("SHOP_ENVIRONMENT", "local"),
            resource_attributes: attributes,
            is_enabled: !otel::boolean(reader, "OTEL_SDK_DISABLED", false),
            traces: ExporterConfig::read(reader, "TRACES"),
            metrics: ExporterConfig::read(reader, "METRICS"),
            logs: ExporterConfig::read(reader, "LOGS"),
            span_batching: Batching::read(reader, "OTEL_BSP"),
            log_batching: Batching::read(reader, "OTEL_BLRP"),
            metric_interval: otel::milliseconds(
                reader,
                "OTEL_METRIC_EXPORT_INTERVAL",
                Duration::from_secs(5),
            ),
            sampler: otel::sampler(reader),
            span_limits: otel::span_limits(reader),
            propagators: otel::propagators(reader),
            log: LogConfig::read(reader),
            drain_timeout: reader.duration("SHOP_DRAIN_TIMEOUT", Duration::from_secs(10)),
            flush_timeout: reader.duration("SHOP_FLUSH_TIMEOUT", Duration::from_secs(5)),
        }
    }
}

impl Batching {
    /// A span takes about 1 KiB with its attributes: a full queue is of the order of 16 MiB, and holds
    /// 16 seconds of an outage at a thousand spans a second.
    const QUEUE: usize = 16_384;

    /// A request is encoded as a whole, beside its queue: of spans this is some 4 MiB.
    const LARGEST_BATCH: usize = 4096;

    fn read(reader: &mut Reader<'_>, prefix: &str) -> Self {
        let size = format!("{prefix}_MAX_EXPORT_BATCH_SIZE");
        let delay = Duration::from_millis(200);
        let batching = Self {
            delay: otel::milliseconds(reader, &format!("{prefix}_SCHEDULE_DELAY"), delay),
            queue: reader.count(&format!("{prefix}_MAX_QUEUE_SIZE"), Self::QUEUE),
            batch: reader.parse(&size, 512, "a whole number from 1 to 4096", |text| {
                let items = text.parse().ok();
                items.filter(|items| (1..=Self::LARGEST_BATCH).contains(items))
            }),
        };
        if batching.batch > batching.queue && reader.get(&size).is_some() {
            let expected = format!("at most the queue's size, {}", batching.queue);
            reader.refuse(&size, &batching.batch.to_string(), expected);
        }
        Self {
            batch: batching.batch.min(batching.queue),
            ..batching
        }
    }
}

impl LogConfig {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            dir: reader.text("SHOP_LOG_DIR", "/tmp/otel-shop").into(),
            level: reader.parse(
                "SHOP_LOG_LEVEL",
                slog::Level::Info,
                "trace, debug, info, warn or error",
                |text| match text {
                    "trace" => Some(slog::Level::Trace),
                    "debug" => Some(slog::Level::Debug),
                    "info" => Some(slog::Level::Info),
                    "warn" => Some(slog::Level::Warning),
                    "error" => Some(slog::Level::Error),
                    _ => None,
                },
            ),
            console: reader.parse(
                "SHOP_LOG_CONSOLE",
                None,
                "auto, on or off",
                |text| match text {
                    "auto" => Some(None),
                    "on" => Some(Some(true)),
                    "off" => Some(Some(false)),
                    _ => None,
                },
            ),
            file_max: reader.bytes("SHOP_LOG_FILE_MAX", 64 * 1024 * 1024),
            file_keep: reader.count("SHOP_LOG_FILE_KEEP", 3),
        }
    }
}
