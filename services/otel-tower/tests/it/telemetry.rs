//! What the layers of one test have recorded.

use std::collections::BTreeMap;

use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use otel_tower::Instrumentation;
use telemetry_testing::poll_async;

pub(crate) struct Telemetry {
    pub(crate) instrumentation: Instrumentation,
    pub(crate) tracers: SdkTracerProvider,
    meters: SdkMeterProvider,
    spans: InMemorySpanExporter,
    metrics: InMemoryMetricExporter,
}

/// One data point: the value of a sum, the count of a histogram.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) value: i64,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Telemetry {
    pub(crate) fn new() -> Self {
        let spans = InMemorySpanExporter::default();
        let tracers = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .build();
        let metrics = InMemoryMetricExporter::default();
        let meters = SdkMeterProvider::builder()
            .with_reader(PeriodicReader::builder(metrics.clone()).build())
            .build();
        let propagator = TextMapCompositePropagator::new(vec![
            Box::new(TraceContextPropagator::new()),
            Box::new(BaggagePropagator::new()),
        ]);
        Self {
            instrumentation: Instrumentation::new(&tracers, &meters, propagator),
            tracers,
            meters,
            spans,
            metrics,
        }
    }

    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.spans.get_finished_spans().unwrap()
    }

    /// The one span of that kind, once it has ended. The peer may be done before we are.
    pub(crate) async fn span(&self, kind: SpanKind) -> SpanData {
        poll_async(&format!("one {kind:?} span"), || {
            let mut of_kind = self.spans();
            of_kind.retain(|span| span.span_kind == kind);
            match of_kind.as_slice() {
                [span] => Ok(span.clone()),
                other => Err(other.len()),
            }
        })
        .await
    }

    pub(crate) fn points(&self, metric: &str) -> Vec<Point> {
        let points: Vec<Vec<Point>> = self.collect(|found| {
            if found.name() == metric {
                points(found.data())
            } else {
                Vec::new()
            }
        });
        points.concat()
    }

    fn collect<T, C: FromIterator<T>>(&self, read: impl Fn(&Metric) -> T) -> C {
        self.metrics.reset();
        self.meters.force_flush().unwrap();
        let finished = self.metrics.get_finished_metrics().unwrap();
        let scopes = finished
            .iter()
            .flat_map(|resource| resource.scope_metrics());
        scopes.flat_map(|scope| scope.metrics()).map(read).collect()
    }

    /// The units of all metrics, and the buckets of the histograms.
    pub(crate) fn shapes(&self) -> BTreeMap<String, (String, Vec<f64>)> {
        let shape = |found: &Metric| {
            let bounds = match found.data() {
                AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                    let point = histogram.data_points().next().unwrap();
                    point.bounds().collect()
                }
                _ => Vec::new(),
            };
            (found.name().to_owned(), (found.unit().to_owned(), bounds))
        };
        self.collect(shape)
    }

    /// The points of a metric that have counted something.
    pub(crate) fn counted(&self, metric: &str) -> Vec<Point> {
        let mut points = self.points(metric);
        points.retain(|point| point.value != 0);
        points
    }

    /// The one recorded duration, once it is recorded, and that nothing is left in flight.
    pub(crate) async fn settled(&self, duration: &str, active: &str) -> Point {
        let point = poll_async(duration, || match self.counted(duration).as_slice() {
            [point] => Ok(point.clone()),
            other => Err(other.to_vec()),
        })
        .await;
        assert_eq!(point.value, 1, "recorded more than once: {point:?}");
        poll_async(active, || match self.counted(active) {
            left if left.is_empty() => Ok(()),
            left => Err(left),
        })
        .await;
        assert!(
            !self.points(active).is_empty(),
            "{active} was never counted"
        );
        point
    }
}

fn points(data: &AggregatedMetrics) -> Vec<Point> {
    match data {
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
            .data_points()
            .map(|point| self::point(point.count() as i64, point.attributes()))
            .collect(),
        AggregatedMetrics::I64(MetricData::Sum(sum)) => sum
            .data_points()
            .map(|point| self::point(point.value(), point.attributes()))
            .collect(),
        AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
            .data_points()
            .map(|point| self::point(point.value() as i64, point.attributes()))
            .collect(),
        other => panic!("a metric of another kind: {other:?}"),
    }
}

fn point<'a>(value: i64, attributes: impl Iterator<Item = &'a KeyValue>) -> Point {
    Point {
        value,
        attributes: attributes.map(pair).collect(),
    }
}

impl Point {
    pub(crate) fn assert(&self, expected: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> = expected
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(self.attributes, expected);
    }
}

/// The attributes of a span as text; integers carry an `i:`, so that a number sent as text shows.
pub(crate) fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    let found: BTreeMap<String, String> = span.attributes.iter().map(pair).collect();
    assert_eq!(
        found.len(),
        span.attributes.len(),
        "a key is there twice: {span:?}"
    );
    found
}

fn pair(attribute: &KeyValue) -> (String, String) {
    let value = match &attribute.value {
        Value::I64(number) => format!("i:{number}"),
        other => other.as_str().into_owned(),
    };
    (attribute.key.to_string(), value)
}

pub(crate) fn is_error(span: &SpanData) -> bool {
    match &span.status {
        Status::Unset => false,
        Status::Error { .. } => true,
        Status::Ok => panic!("the layers never set a span's status to Ok"),
    }
}
