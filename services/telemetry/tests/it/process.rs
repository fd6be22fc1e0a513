//! What the process says about itself, and the reading of metrics in memory.

use std::fs::File;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, HistogramDataPoint, Metric, MetricData, ResourceMetrics,
};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

/// Metrics in memory.
pub(crate) struct Metrics {
    pub(crate) provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

impl Metrics {
    pub(crate) fn start() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder()
            .with_periodic_exporter(exporter.clone())
            .build();
        Self { provider, exporter }
    }

    /// Collects now and looks at the metric.
    fn with<T>(&self, name: &str, look: impl FnOnce(&Metric) -> T) -> T {
        self.exporter.reset();
        self.provider.force_flush().unwrap();
        let exported = self.exporter.get_finished_metrics().unwrap();
        let metrics = exported
            .iter()
            .flat_map(ResourceMetrics::scope_metrics)
            .flat_map(|scope| scope.metrics());
        look(
            metrics
                .into_iter()
                .find(|metric| metric.name() == name)
                .unwrap_or_else(|| panic!("no {name}")),
        )
    }

    /// The value of a sum or gauge, of all points with these attributes.
    pub(crate) fn sum(&self, name: &str, attributes: &[(&str, &str)]) -> f64 {
        let has = |pairs: Vec<(String, String)>| {
            attributes
                .iter()
                .all(|(key, value)| pairs.contains(&((*key).to_owned(), (*value).to_owned())))
        };
        macro_rules! add {
            ($points:expr) => {{
                let points = $points.filter(|point| {
                    has(point
                        .attributes()
                        .map(|pair| (pair.key.to_string(), pair.value.to_string()))
                        .collect())
                });
                let values: Vec<f64> = points.map(|point| point.value() as f64).collect();
                assert!(!values.is_empty(), "no point of {name} with {attributes:?}");
                values.iter().sum()
            }};
        }
        self.with(name, |metric| match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => add!(sum.data_points()),
            AggregatedMetrics::I64(MetricData::Sum(sum)) => add!(sum.data_points()),
            AggregatedMetrics::F64(MetricData::Sum(sum)) => add!(sum.data_points()),
            AggregatedMetrics::F64(MetricData::Gauge(gauge)) => add!(gauge.data_points()),
            other => panic!("{name} is {other:?}"),
        })
    }

    pub(crate) fn unit(&self, name: &str) -> String {
        self.with(name, |metric| metric.unit().to_owned())
    }

    /// The points of a histogram.
    pub(crate) fn histogram<T>(
        &self,
        name: &str,
        look: impl Fn(&HistogramDataPoint<f64>) -> T,
    ) -> Vec<T> {
        self.with(name, |metric| match metric.data() {
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                histogram.data_points().map(look).collect()
            }
            other => panic!("{name} is {other:?}"),
        })
    }
}

fn registered() -> Metrics {
    let metrics = Metrics::start();
    telemetry::process::register(&metrics.provider.meter("test")).unwrap();
    metrics
}

#[test]
fn every_metric_has_its_unit_and_a_value_of_this_process() {
    let metrics = registered();
    let check = |name, unit: &str, attributes: &[(&str, &str)], least: f64, most: f64| {
        assert_eq!(metrics.unit(name), unit, "{name}");
        let value = metrics.sum(name, attributes);
        assert!((least..=most).contains(&value), "{name} is {value}");
    };
    let year = 365.0 * 86_400.0;
    check("process.cpu.time", "s", &[("cpu.mode", "user")], 0.0, year);
    check(
        "process.cpu.time",
        "s",
        &[("cpu.mode", "system")],
        0.0,
        year,
    );
    check("process.memory.usage", "By", &[], 1e6, 1e11);
    check(
        "process.unix.file_descriptor.count",
        "{file_descriptor}",
        &[],
        3.0,
        1e6,
    );
    check("process.thread.count", "{thread}", &[], 2.0, 1e5);
    check("process.uptime", "s", &[], 0.0, year);
}

#[test]
fn open_files_threads_and_work_are_seen() {
    let metrics = registered();
    let files = || metrics.sum("process.unix.file_descriptor.count", &[]);
    let threads = || metrics.sum("process.thread.count", &[]);
    let (files_before, threads_before) = (files(), threads());
    // More than the tests beside this one close or end at the same time.
    let open: Vec<File> = (0..500).map(|_| File::open("/dev/null").unwrap()).collect();
    assert!(files() > files_before + 250.0, "{files_before} {}", files());
    drop(open);

    let barrier = std::sync::Barrier::new(101);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| barrier.wait());
        }
        let during = threads();
        barrier.wait();
        assert!(during > threads_before + 50.0, "{threads_before} {during}");
    });
}

#[test]
fn processor_time_only_grows() {
    let metrics = registered();
    let user = || metrics.sum("process.cpu.time", &[("cpu.mode", "user")]);
    let before = user();
    let grown = telemetry_testing::poll("processor time of this process", || {
        // Work is what is measured.
        std::hint::black_box((0..1_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n)));
        let now = user();
        if now > before { Ok(now) } else { Err(now) }
    });
    assert!(grown > before);
}
