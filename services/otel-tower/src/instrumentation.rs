use std::fmt;
use std::sync::Arc;

use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider, UpDownCounter};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, SpanBuilder, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, KeyValue};

use crate::{names, propagation};

/// The tracer, the meter and the propagator that all layers of one process share.
///
/// Cloning is cheap. The scope of everything recorded is `otel-tower`, with this crate's version and
/// the schema URL of the conventions it follows.
#[derive(Clone)]
pub struct Instrumentation(Arc<Inner>);

struct Inner {
    tracer: BoxedTracer,
    meter: Meter,
    propagator: Propagator,
    ignored: Counter<u64>,
}

enum Propagator {
    Global,
    Own(Box<dyn TextMapPropagator + Send + Sync>),
}

impl Instrumentation {
    /// Takes the global tracer and meter providers as they are *now*: install them first.
    ///
    /// The global propagator is looked up at each use. OpenTelemetry's default propagator does
    /// nothing, so a process that installs none neither continues traces nor passes them on.
    pub fn global() -> Self {
        Self::build(
            global::tracer_with_scope(scope()),
            global::meter_with_scope(scope()),
            Propagator::Global,
        )
    }

    /// Takes the given providers and propagator and touches nothing global.
    pub fn new<P, T, S>(
        tracers: &P,
        meters: &dyn MeterProvider,
        propagator: impl TextMapPropagator + Send + Sync + 'static,
    ) -> Self
    where
        P: TracerProvider<Tracer = T>,
        T: Tracer<Span = S> + Send + Sync + 'static,
        S: Span + Send + Sync + 'static,
    {
        Self::build(
            BoxedTracer::new(Box::new(tracers.tracer_with_scope(scope()))),
            meters.meter_with_scope(scope()),
            Propagator::Own(Box::new(propagator)),
        )
    }

    fn build(tracer: BoxedTracer, meter: Meter, propagator: Propagator) -> Self {
        let ignored = meter
            .u64_counter(names::CONTEXT_IGNORED)
            .with_unit("{header}")
            .with_description("Requests whose context header was broken and therefore ignored.")
            .build();
        for header in propagation::HEADERS {
            // A series that exists from the start makes the first broken header an increase.
            ignored.add(0, &[KeyValue::new(names::HEADER, header)]);
        }
        Self(Arc::new(Inner {
            tracer,
            meter,
            propagator,
            ignored,
        }))
    }

    /// Starts the span and returns `parent` with the span in it.
    pub(crate) fn start(&self, builder: SpanBuilder, parent: &Context) -> Context {
        parent.with_span(self.0.tracer.build_with_context(builder, parent))
    }

    pub(crate) fn with_propagator<T>(&self, mut f: impl FnMut(&dyn TextMapPropagator) -> T) -> T {
        match &self.0.propagator {
            Propagator::Global => global::get_text_map_propagator(|propagator| f(propagator)),
            Propagator::Own(propagator) => f(&**propagator),
        }
    }

    pub(crate) fn count_ignored(&self, header: &'static str) {
        self.0
            .ignored
            .add(1, &[KeyValue::new(names::HEADER, header)]);
    }

    pub(crate) fn duration(&self, name: &'static str, description: &'static str) -> Histogram<f64> {
        self.0
            .meter
            .f64_histogram(name)
            .with_unit("s")
            .with_description(description)
            .with_boundaries(names::DURATION_BUCKETS.to_vec())
            .build()
    }

    pub(crate) fn active(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
    ) -> UpDownCounter<i64> {
        self.0
            .meter
            .i64_up_down_counter(name)
            .with_unit(unit)
            .with_description(description)
            .build()
    }
}

impl fmt::Debug for Instrumentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instrumentation").finish_non_exhaustive()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(names::SCHEMA_URL)
        .build()
}
