//! All telemetry of a process, from its start to its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::global;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_slog::OtelDrain;
use tracing::Subscriber;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use crate::config::{Propagator, TelemetryConfig};
use crate::providers::{Providers, StartError};
use crate::shutdown::{Report, shutdown};
use crate::{log, metrics, process, resource, spans};
use contract::events;

/// The telemetry of a process. [`crate::run`] starts and ends it; a program with a life of its own does both itself:
///
/// ```no_run
/// use std::time::Duration;
/// use telemetry::config::{Environment, Reader, TelemetryConfig};
/// use telemetry::{Service, Telemetry};
///
/// # fn main() -> anyhow::Result<()> {
/// let environment = Environment::of_process();
/// let lookup = |name: &str| environment.get(name);
/// let mut reader = Reader::new(&lookup);
/// let service = Service { name: "import", version: env!("CARGO_PKG_VERSION") };
/// let config = TelemetryConfig::read(&mut reader, service);
/// reader.finish()?;
///
/// let telemetry = Telemetry::start(&config)?;
/// slog::info!(telemetry.log(), "Imported"; "event.name" => "import.finished");
/// let report = telemetry.shutdown(Duration::from_secs(5));
/// assert!(report.is_clean(), "{report}");
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it ends telemetry without waiting for what is not sent yet"]
pub struct Telemetry {
    providers: Providers,
    log: slog::Logger,
    guard: log::Guard,
}

/// Whether this process has started its telemetry.
static STARTED: AtomicBool = AtomicBool::new(false);

impl Telemetry {
    /// Starts telemetry and makes it global: meter, logger, tracer, propagator, `tracing` subscriber, in this order.
    ///
    /// # Errors
    /// On the second call in a process, and when something could not be built.
    pub fn start(config: &TelemetryConfig) -> Result<Self, StartError> {
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(StartError::AlreadyStarted);
        }
        let telemetry = Self::build(config, true)?;
        global::set_text_map_propagator(propagator(&config.propagators));
        let subscriber = telemetry.subscriber(config.service.name);
        let taken = |_| StartError::AlreadyStarted;
        tracing::subscriber::set_global_default(subscriber).map_err(taken)?;
        let taken = |_| StartError::AlreadyStarted;
        telemetry.guard.bridge().install_log().map_err(taken)?;
        Ok(telemetry)
    }

    /// Starts telemetry that nothing global knows of, for tests that own theirs: use the providers and the logger it gives.
    /// The SDK's own metrics (`otel.sdk.processor.*`) are missing here, they bind to the global meter.
    ///
    /// # Errors
    /// When something could not be built.
    pub fn isolated(config: &TelemetryConfig) -> Result<Self, StartError> {
        Self::build(config, false)
    }

    fn build(config: &TelemetryConfig, install: bool) -> Result<Self, StartError> {
        let resource = resource::build(config);
        let providers = Providers::build(config, resource, install)?;
        let meter = providers.meters.meter_with_scope(metrics::scope());
        let otel = OtelDrain::new(&providers.loggers);
        let (log, guard) = log::build(
            config.service.name,
            &config.service_name,
            &config.log,
            &meter,
            otel,
        )?;
        if let Err(error) = process::register(&meter) {
            slog::warn!(guard.local(), "No metrics of the process here";
                "event.name" => events::TELEMETRY_DIAGNOSTIC, "exception.message" => %error);
        }
        Ok(Self {
            providers,
            log,
            guard,
        })
    }

    /// The root logger.
    pub fn log(&self) -> &slog::Logger {
        &self.log
    }

    /// The logger for what telemetry says about itself: file and console, never OTLP.
    pub(crate) fn local(&self) -> &slog::Logger {
        self.guard.local()
    }

    /// The provider of meters.
    pub fn meters(&self) -> &SdkMeterProvider {
        &self.providers.meters
    }

    /// The provider of tracers.
    pub fn tracers(&self) -> &SdkTracerProvider {
        &self.providers.tracers
    }

    /// The provider of loggers, below the root logger.
    pub fn loggers(&self) -> &SdkLoggerProvider {
        &self.providers.loggers
    }

    /// What `tracing` is connected to: spans of the crate `service` become spans, events of libraries become log records.
    pub fn subscriber(&self, service: &'static str) -> impl Subscriber + Send + Sync + use<> {
        Registry::default()
            .with(spans::layer(&self.providers.tracers, service))
            .with(self.guard.bridge().layer())
    }

    /// Opens the log file again, for whoever moved it away.
    pub(crate) fn reopen(&self) -> impl Fn() + Send + 'static + use<> {
        let reopen = self.guard.reopen();
        move || reopen.store(true, Ordering::Relaxed)
    }

    /// Sends what is left, all three signals and the log file `within` one deadline, and tells what was lost.
    ///
    /// Blocks, but needs no runtime of the caller: it may be called from anywhere, also on a current-thread runtime.
    pub fn shutdown(self, within: Duration) -> Report {
        shutdown(&self.providers, &self.guard, within)
    }
}

fn propagator(names: &[Propagator]) -> TextMapCompositePropagator {
    let build = |name: &Propagator| -> Box<dyn TextMapPropagator + Send + Sync> {
        match name {
            Propagator::TraceContext => Box::new(TraceContextPropagator::new()),
            Propagator::Baggage => Box::new(BaggagePropagator::new()),
        }
    };
    TextMapCompositePropagator::new(names.iter().map(build).collect())
}
