//! The three providers, in the one order that works.

use std::collections::HashMap;
use std::io;

use opentelemetry::global;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, Protocol, RetryPolicy, SpanExporter,
    WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder as LogBatching, BatchLogProcessor, SdkLoggerProvider,
};
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, PeriodicReader, SdkMeterProvider, Stream, Temporality,
};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder as SpanBatching, BatchSpanProcessor, Sampler, SdkTracerProvider,
};

use crate::config::{ExporterConfig, SamplerConfig, TelemetryConfig};
use crate::delivery::{Delivery, DeliveryClient, Signal};
use crate::log;
use crate::metrics::{self, DATABASE_SECONDS, SECONDS};

/// The providers of one process, and what delivers for them; `None` under `OTEL_SDK_DISABLED`.
#[derive(Debug)]
pub(crate) struct Providers {
    pub(crate) meters: SdkMeterProvider,
    pub(crate) loggers: SdkLoggerProvider,
    pub(crate) tracers: SdkTracerProvider,
    pub(crate) delivery: Option<Delivery>,
}

/// Why telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Providers, subscriber and propagator are global: a second set would leave the first one half alive.
    #[error("telemetry was already started in this process")]
    AlreadyStarted,
    /// The system gave no thread for the delivery.
    #[error("the delivery's runtime could not be started")]
    Delivery(#[source] io::Error),
    /// An exporter refused its configuration.
    #[error("the exporter of {signal} could not be built")]
    Exporter {
        /// Its signal.
        signal: Signal,
        /// What it said.
        source: ExporterBuildError,
    },
    /// The log file could not be opened.
    #[error("the log could not be started")]
    Log(#[from] log::Error),
}

impl Providers {
    /// Builds all three. `install` makes each global as soon as it stands: the SDK's own metrics bind to the global meter when
    /// logger and tracer are built, and to nothing if there is none yet. Hence the meter first.
    pub(crate) fn build(
        config: &TelemetryConfig,
        resource: Resource,
        install: bool,
    ) -> Result<Self, StartError> {
        let delivery = config.is_enabled.then(Delivery::start).transpose();
        let delivery = delivery.map_err(StartError::Delivery)?;
        let client = |signal, exporter: &ExporterConfig| {
            let delivery = delivery.as_ref()?;
            delivery.client(signal, exporter.timeout)
        };

        let metrics_client = client(Signal::Metrics, &config.metrics);
        let meters = meters(config, resource.clone(), metrics_client)?;
        if install {
            global::set_meter_provider(meters.clone());
        }
        if let Some(delivery) = &delivery {
            delivery
                .ledger()
                .register(&meters.meter_with_scope(metrics::scope()));
        }
        let loggers = loggers(config, resource.clone(), client(Signal::Logs, &config.logs))?;
        let tracers = tracers(config, resource, client(Signal::Spans, &config.traces))?;
        if install {
            global::set_tracer_provider(tracers.clone());
        }
        Ok(Self {
            meters,
            loggers,
            tracers,
            delivery,
        })
    }
}

fn meters(
    config: &TelemetryConfig,
    resource: Resource,
    client: Option<DeliveryClient>,
) -> Result<SdkMeterProvider, StartError> {
    let builder = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_view(seconds);
    let Some(client) = client else {
        return Ok(builder.build());
    };
    // Said here, or the exporter asks the environment behind our back.
    let exporter = MetricExporter::builder()
        .with_temporality(Temporality::Cumulative)
        .with_http();
    let exporter = delivered(exporter, client, &config.metrics)
        .build()
        .map_err(|source| StartError::Exporter {
            signal: Signal::Metrics,
            source,
        })?;
    let reader = PeriodicReader::builder(exporter).with_interval(config.metric_interval);
    Ok(builder.with_reader(reader.build()).build())
}

fn loggers(
    config: &TelemetryConfig,
    resource: Resource,
    client: Option<DeliveryClient>,
) -> Result<SdkLoggerProvider, StartError> {
    let builder = SdkLoggerProvider::builder().with_resource(resource);
    let Some(client) = client else {
        return Ok(builder.build());
    };
    let exporter = LogExporter::builder().with_http();
    let exporter = delivered(exporter, client, &config.logs)
        .build()
        .map_err(|source| StartError::Exporter {
            signal: Signal::Logs,
            source,
        })?;
    let batching = LogBatching::default()
        .with_max_queue_size(config.log_batching.queue)
        .with_max_export_batch_size(config.log_batching.batch)
        .with_scheduled_delay(config.log_batching.delay)
        .build();
    let processor = BatchLogProcessor::builder(exporter).with_batch_config(batching);
    Ok(builder.with_log_processor(processor.build()).build())
}

fn tracers(
    config: &TelemetryConfig,
    resource: Resource,
    client: Option<DeliveryClient>,
) -> Result<SdkTracerProvider, StartError> {
    let builder = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_span_limits(config.span_limits)
        .with_sampler(sampler(config.sampler));
    let Some(client) = client else {
        return Ok(builder.build());
    };
    let exporter = SpanExporter::builder().with_http();
    let exporter = delivered(exporter, client, &config.traces)
        .build()
        .map_err(|source| StartError::Exporter {
            signal: Signal::Spans,
            source,
        })?;
    let batching = SpanBatching::default()
        .with_max_queue_size(config.span_batching.queue)
        .with_max_export_batch_size(config.span_batching.batch)
        .with_scheduled_delay(config.span_batching.delay)
        .build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batching);
    Ok(builder.with_span_processor(processor.build()).build())
}

/// Our client instead of the exporter's, no second retry loop around ours, and no limit before it: what the exporter itself
/// refuses as too large would be in no count. The Collector refuses it, and that is counted.
fn delivered<B: WithExportConfig + WithHttpConfig>(
    exporter: B,
    client: DeliveryClient,
    config: &ExporterConfig,
) -> B {
    let headers: HashMap<_, _> = config.headers.iter().cloned().collect();
    exporter
        .with_http_client(client)
        .with_retry_policy(RetryPolicy::disabled())
        .with_max_request_body_size(usize::MAX)
        .with_headers(headers)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(config.endpoint.to_string())
        .with_timeout(config.timeout)
}

fn sampler(config: SamplerConfig) -> Sampler {
    let root = match config.ratio {
        1.0 => Sampler::AlwaysOn,
        0.0 => Sampler::AlwaysOff,
        ratio => Sampler::TraceIdRatioBased(ratio),
    };
    if config.parent_based {
        Sampler::ParentBased(Box::new(root))
    } else {
        root
    }
}

/// Histograms of seconds get buckets for seconds: the SDK's own reach from 5 to 10000 and would put every request into the first.
fn seconds(instrument: &Instrument) -> Option<Stream> {
    if instrument.kind() != InstrumentKind::Histogram || instrument.unit() != "s" {
        return None;
    }
    let boundaries = if instrument.name().starts_with("db.") {
        DATABASE_SECONDS
    } else {
        SECONDS
    };
    Stream::builder()
        .with_aggregation(Aggregation::ExplicitBucketHistogram {
            boundaries: boundaries.to_vec(),
            record_min_max: true,
        })
        .build()
        .ok()
}
