//! Metric data points as they arrived.

use opentelemetry_proto::tonic::metrics::v1 as wire;

use super::value::{self, Attributes, Scope};

/// One exported data point with what its metric says about it. Times are nanoseconds since the epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Name of the metric.
    pub name: String,
    pub description: String,
    /// Unit in UCUM, such as `s` or `{order}`.
    pub unit: String,
    pub kind: PointKind,
    /// `None` for a gauge.
    pub temporality: Option<Temporality>,
    /// The attributes that name the series within the metric.
    pub attributes: Attributes,
    pub data: Data,
    /// Start of the interval.
    pub start: u64,
    /// Time of the value.
    pub time: u64,
    pub resource: Attributes,
    pub scope: Scope,
}

/// The type of a metric, distinguished as Prometheus does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointKind {
    /// A monotonic sum.
    Counter,
    /// A sum that may fall.
    UpDownCounter,
    Gauge,
    /// A distribution with explicit buckets.
    Histogram,
    /// One point per metric, without its data.
    ExponentialHistogram,
    /// One point per metric, without its data.
    Summary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temporality {
    /// Not set, which is an error of the sender.
    Unspecified,
    /// Since the last export.
    Delta,
    /// Since the start of the process.
    Cumulative,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Int(i64),
    Double(f64),
    Histogram {
        /// How many values were recorded.
        count: u64,
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

pub(crate) fn points(batches: Vec<wire::ResourceMetrics>) -> Vec<Point> {
    let mut points = Vec::new();
    for batch in batches {
        let resource = value::resource(batch.resource);
        for group in batch.scope_metrics {
            let scope = value::scope(group.scope, group.schema_url);
            let of_group = |metric| of_metric(metric, &resource, &scope);
            points.extend(group.metrics.into_iter().flat_map(of_group));
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
    /// The four types of points have these fields in common, but no trait.
    macro_rules! points {
        ($type:ident, $kind:expr, $temporality:expr, $points:expr, |$p:ident| $data:expr) => {{
            let head = head($kind, $temporality);
            let point = |$p: wire::$type| Point {
                data: $data,
                start: $p.start_time_unix_nano,
                time: $p.time_unix_nano,
                attributes: $p.attributes.into(),
                ..head.clone()
            };
            $points.into_iter().map(point).collect()
        }};
    }
    match metric.data.clone() {
        None => Vec::new(),
        Some(Wire::Gauge(m)) => {
            points!(
                NumberDataPoint,
                PointKind::Gauge,
                None,
                m.data_points,
                |p| number(p.value)
            )
        }
        Some(Wire::Sum(m)) => {
            let kind = match m.is_monotonic {
                true => PointKind::Counter,
                false => PointKind::UpDownCounter,
            };
            let temporality = Some(m.aggregation_temporality);
            points!(NumberDataPoint, kind, temporality, m.data_points, |p| {
                number(p.value)
            })
        }
        Some(Wire::Histogram(m)) => {
            let temporality = Some(m.aggregation_temporality);
            points!(
                HistogramDataPoint,
                PointKind::Histogram,
                temporality,
                m.data_points,
                |p| {
                    Data::Histogram {
                        count: p.count,
                        sum: p.sum.unwrap_or_default(),
                        bounds: p.explicit_bounds,
                        buckets: p.bucket_counts,
                    }
                }
            )
        }
        Some(Wire::ExponentialHistogram(m)) => {
            let temporality = Some(m.aggregation_temporality);
            vec![head(PointKind::ExponentialHistogram, temporality)]
        }
        Some(Wire::Summary(_)) => vec![head(PointKind::Summary, None)],
    }
}

fn number(value: Option<wire::number_data_point::Value>) -> Data {
    use wire::number_data_point::Value;

    match value {
        Some(Value::AsDouble(value)) => Data::Double(value),
        Some(Value::AsInt(value)) => Data::Int(value),
        None => Data::Int(0),
    }
}

fn temporality_of(code: i32) -> Temporality {
    use wire::AggregationTemporality as Wire;

    match Wire::try_from(code) {
        Ok(Wire::Delta) => Temporality::Delta,
        Ok(Wire::Cumulative) => Temporality::Cumulative,
        _ => Temporality::Unspecified,
    }
}
