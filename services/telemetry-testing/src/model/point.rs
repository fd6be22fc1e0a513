//! Metric data points as they arrived.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1 as wire;

use super::value::{self, Attributes, Scope};

/// One exported data point with what its metric says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Name of the metric.
    pub name: String,
    /// What the metric says about itself.
    pub description: String,
    /// Unit in UCUM, such as `s` or `{order}`.
    pub unit: String,
    /// What kind of metric it belongs to.
    pub kind: PointKind,
    /// `None` for a gauge.
    pub temporality: Option<Temporality>,
    /// The attributes that name the series within the metric.
    pub attributes: Attributes,
    /// Its number or distribution.
    pub data: Data,
    /// Start of the interval, nanoseconds since the epoch.
    pub start: u64,
    /// Time of the value, nanoseconds since the epoch.
    pub time: u64,
    /// Attributes of the resource that sent it.
    pub resource: Attributes,
    /// The scope that recorded it.
    pub scope: Scope,
}

/// Kind of a metric, told apart as Prometheus will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointKind {
    /// A monotonic sum.
    Counter,
    /// A sum that may fall.
    UpDownCounter,
    /// A value that is not summed.
    Gauge,
    /// A distribution with explicit buckets.
    Histogram,
    /// A distribution with computed buckets.
    ExponentialHistogram,
    /// Quantiles computed by the sender.
    Summary,
}

/// What a value is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temporality {
    /// Not said, which is an error of the sender.
    Unspecified,
    /// Since the last export.
    Delta,
    /// Since the start of the process.
    Cumulative,
}

/// The content of a point.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// A distribution.
    Histogram {
        /// How many values were recorded.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Upper bounds of all buckets but the last.
        bounds: Vec<f64>,
        /// Values per bucket.
        buckets: Vec<u64>,
    },
}

// === impl Point ===

impl Point {
    /// `service.name` of its resource, empty when missing.
    pub fn service(&self) -> &str {
        self.resource.text("service.name").unwrap_or_default()
    }

    /// The number of a sum or gauge; of a histogram, how many values it has.
    pub fn value(&self) -> f64 {
        match &self.data {
            Data::Int(value) => *value as f64,
            Data::Double(value) => *value,
            Data::Histogram { count, .. } => *count as f64,
        }
    }

    /// The sum of a histogram's values; of anything else, its number.
    pub fn sum(&self) -> f64 {
        match &self.data {
            Data::Histogram { sum, .. } => *sum,
            _ => self.value(),
        }
    }

    /// Whether both points are values of one series at different times.
    pub(crate) fn is_same_series(&self, other: &Point) -> bool {
        self.name == other.name
            && self.kind == other.kind
            && self.unit == other.unit
            && self.scope.name == other.scope.name
            && self.attributes.sorted() == other.attributes.sorted()
            && self.resource.sorted() == other.resource.sorted()
    }
}

// === from the wire ===

pub(crate) fn points(request: ExportMetricsServiceRequest) -> Vec<Point> {
    let mut points = Vec::new();
    for batch in request.resource_metrics {
        let resource = value::resource(batch.resource);
        for group in batch.scope_metrics {
            let scope = value::scope(group.scope, group.schema_url);
            for metric in group.metrics {
                points.extend(of_metric(metric, &resource, &scope));
            }
        }
    }
    points
}

fn of_metric(metric: wire::Metric, resource: &Attributes, scope: &Scope) -> Vec<Point> {
    use wire::metric::Data as Wire;

    let head = |kind, temporality: Option<i32>| Point {
        name: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        kind,
        temporality: temporality.map(temporality_of),
        attributes: Attributes::default(),
        data: Data::Int(0),
        start: 0,
        time: 0,
        resource: resource.clone(),
        scope: scope.clone(),
    };
    match metric.data.clone() {
        None => Vec::new(),
        Some(Wire::Gauge(gauge)) => numbers(&head(PointKind::Gauge, None), gauge.data_points),
        Some(Wire::Sum(sum)) => {
            let kind = if sum.is_monotonic {
                PointKind::Counter
            } else {
                PointKind::UpDownCounter
            };
            numbers(
                &head(kind, Some(sum.aggregation_temporality)),
                sum.data_points,
            )
        }
        Some(Wire::Histogram(histogram)) => {
            let head = head(
                PointKind::Histogram,
                Some(histogram.aggregation_temporality),
            );
            let point = |p: wire::HistogramDataPoint| Point {
                attributes: p.attributes.into(),
                data: distribution(p.count, p.sum, p.explicit_bounds, p.bucket_counts),
                start: p.start_time_unix_nano,
                time: p.time_unix_nano,
                ..head.clone()
            };
            histogram.data_points.into_iter().map(point).collect()
        }
        Some(Wire::ExponentialHistogram(histogram)) => {
            let head = head(
                PointKind::ExponentialHistogram,
                Some(histogram.aggregation_temporality),
            );
            let point = |p: wire::ExponentialHistogramDataPoint| Point {
                attributes: p.attributes.into(),
                data: distribution(p.count, p.sum, Vec::new(), Vec::new()),
                start: p.start_time_unix_nano,
                time: p.time_unix_nano,
                ..head.clone()
            };
            histogram.data_points.into_iter().map(point).collect()
        }
        Some(Wire::Summary(summary)) => {
            let head = head(PointKind::Summary, None);
            let point = |p: wire::SummaryDataPoint| Point {
                attributes: p.attributes.into(),
                data: distribution(p.count, Some(p.sum), Vec::new(), Vec::new()),
                start: p.start_time_unix_nano,
                time: p.time_unix_nano,
                ..head.clone()
            };
            summary.data_points.into_iter().map(point).collect()
        }
    }
}

fn numbers(head: &Point, points: Vec<wire::NumberDataPoint>) -> Vec<Point> {
    use wire::number_data_point::Value;

    let point = |p: wire::NumberDataPoint| Point {
        attributes: p.attributes.into(),
        data: match p.value {
            Some(Value::AsDouble(value)) => Data::Double(value),
            Some(Value::AsInt(value)) => Data::Int(value),
            None => Data::Int(0),
        },
        start: p.start_time_unix_nano,
        time: p.time_unix_nano,
        ..head.clone()
    };
    points.into_iter().map(point).collect()
}

fn distribution(count: u64, sum: Option<f64>, bounds: Vec<f64>, buckets: Vec<u64>) -> Data {
    Data::Histogram {
        count,
        sum: sum.unwrap_or_default(),
        bounds,
        buckets,
    }
}

fn temporality_of(code: i32) -> Temporality {
    match wire::AggregationTemporality::try_from(code) {
        Ok(wire::AggregationTemporality::Delta) => Temporality::Delta,
        Ok(wire::AggregationTemporality::Cumulative) => Temporality::Cumulative,
        _ => Temporality::Unspecified,
    }
}
