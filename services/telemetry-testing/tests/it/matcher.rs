//! Every condition finds what it should, and says what it found instead when it does not.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Wire};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1 as wire_metrics;
use telemetry_testing::{Kind, Matcher, Point, PointKind, Sink, Temporality};

use crate::wire::{self, Sender};

pub(crate) fn counter(
    name: &str,
    attributes: &[KeyValue],
    value: i64,
    time: u64,
) -> wire_metrics::Metric {
    let point = wire_metrics::NumberDataPoint {
        attributes: attributes.to_vec(),
        time_unix_nano: time,
        value: Some(wire_metrics::number_data_point::Value::AsInt(value)),
        ..Default::default()
    };
    wire_metrics::Metric {
        name: name.to_owned(),
        unit: "{order}".to_owned(),
        data: Some(wire_metrics::metric::Data::Sum(wire_metrics::Sum {
            data_points: vec![point],
            aggregation_temporality: 2,
            is_monotonic: true,
        })),
        ..Default::default()
    }
}

fn histogram(name: &str, route: &str, count: u64, sum: f64) -> wire_metrics::Metric {
    let point = wire_metrics::HistogramDataPoint {
        attributes: vec![
            wire::string("http.route", route),
            wire::int("http.response.status_code", 200),
        ],
        time_unix_nano: 1,
        count,
        sum: Some(sum),
        explicit_bounds: vec![0.1],
        bucket_counts: vec![count, 0],
        ..Default::default()
    };
    wire_metrics::Metric {
        name: name.to_owned(),
        unit: "s".to_owned(),
        data: Some(wire_metrics::metric::Data::Histogram(
            wire_metrics::Histogram {
                data_points: vec![point],
                aggregation_temporality: 2,
            },
        )),
        ..Default::default()
    }
}

async fn sink_with_metrics(batches: Vec<(&str, Vec<wire_metrics::Metric>)>) -> Sink {
    let sink = Sink::start();
    let sender = Sender::new();
    for (service, metrics) in batches {
        let body = wire::metrics(service, metrics);
        sender
            .post(sink.address(), "/v1/metrics", body)
            .await
            .unwrap();
    }
    sink
}

#[tokio::test]
async fn a_metric_is_found_by_all_its_properties() {
    let sink =
        sink_with_metrics(vec![("gateway", vec![histogram("duration", "/x", 3, 0.6)])]).await;
    let point = sink
        .metric("duration")
        .unit("s")
        .kind(PointKind::Histogram)
        .service("gateway")
        .attribute("http.route", "/x")
        .attribute("http.response.status_code", 200_i64)
        .has_attribute("http.route")
        .without_attribute("error.type")
        .expect();
    assert_eq!(point.temporality, Some(Temporality::Cumulative));
    assert_eq!((point.value(), point.sum()), (3.0, 0.6));
}

#[tokio::test]
async fn each_metric_condition_can_fail_and_names_what_is_there() {
    let sink =
        sink_with_metrics(vec![("gateway", vec![histogram("duration", "/x", 3, 0.6)])]).await;
    let metric = || sink.metric("duration");
    refuses(
        sink.metric("other"),
        "wanted name \"other\", but it is \"duration\"",
    );
    refuses(metric().unit("ms"), "wanted unit \"ms\", but it is \"s\"");
    refuses(
        metric().kind(PointKind::Gauge),
        "wanted kind Gauge, but it is Histogram",
    );
    refuses(
        metric().service("order"),
        "wanted resource service.name=\"order\", but it is \"gateway\"",
    );
    refuses(
        metric().attribute("http.route", "/y"),
        "wanted http.route=\"/y\", but it is \"/x\"",
    );
    refuses(
        metric().attribute("colour", "red"),
        "wanted colour=\"red\", but it is absent",
    );
    // The type counts: a status exported as text is a defect.
    refuses(
        metric().attribute("http.response.status_code", "200"),
        "wanted http.response.status_code=\"200\", but it is 200",
    );
    refuses(
        metric().has_attribute("error.type"),
        "wanted error.type present, but it is absent",
    );
    refuses(
        metric().without_attribute("http.route"),
        "wanted http.route absent, but it is \"/x\"",
    );
    refuses(
        metric().check("luck", |_| Err("none".to_owned())),
        "wanted luck, but it is none",
    );
}

#[tokio::test]
async fn a_mismatch_lists_the_nearest_first_and_each_kind_once() {
    let sink = sink_with_metrics(vec![(
        "gateway",
        vec![
            histogram("far", "/far", 1, 0.1),
            histogram("duration", "/near", 1, 0.1),
        ],
    )])
    .await;
    let mismatch = sink
        .metric("duration")
        .attribute("http.route", "/x")
        .find()
        .unwrap_err();
    let text = mismatch.to_string();
    let (near, far) = (text.find("/near").unwrap(), text.find("/far").unwrap());
    assert!(near < far, "{text}");
    assert!(text.contains("looked at 2"), "{text}");
    assert_eq!(format!("{mismatch:?}"), text, "a poll prints it readably");

    let empty = Sink::start()
        .metric("duration")
        .find()
        .unwrap_err()
        .to_string();
    assert!(
        empty.contains("nothing of the kind has arrived at all"),
        "{empty}"
    );
}

#[tokio::test]
async fn a_total_takes_the_newest_value_of_each_series_and_sums_what_matches() {
    let placed = [wire::string("outcome", "placed")];
    let rejected = [wire::string("outcome", "rejected")];
    let sink = sink_with_metrics(vec![
        (
            "order",
            vec![
                counter("orders", &placed, 1, 10),
                counter("orders", &rejected, 5, 10),
            ],
        ),
        ("order", vec![counter("orders", &placed, 4, 20)]),
        ("gateway", vec![counter("orders", &placed, 100, 20)]),
    ])
    .await;
    assert_eq!(sink.metrics().len(), 4);
    assert_eq!(sink.latest_metrics().len(), 3);
    let orders = || sink.metric("orders").service("order");
    assert_eq!(orders().total().unwrap(), 9.0);
    assert_eq!(
        orders().attribute("outcome", "placed").total().unwrap(),
        4.0
    );
    assert_eq!(sink.metric("orders").total().unwrap(), 109.0);
    orders().total_is(9.0).unwrap();
    let other = orders().total_is(8.0).unwrap_err().to_string();
    assert!(other.contains("the total is 9, not 8"), "{other}");
    assert!(sink.metric("none").total().is_err(), "absent is not zero");
}

#[tokio::test]
async fn a_total_of_histograms_counts_values_and_sums_them() {
    let sink = sink_with_metrics(vec![(
        "gateway",
        vec![
            histogram("duration", "/x", 3, 0.5),
            histogram("duration", "/y", 2, 0.25),
        ],
    )])
    .await;
    assert_eq!(sink.metric("duration").total().unwrap(), 5.0);
    assert_eq!(sink.metric("duration").total_sum().unwrap(), 0.75);
    assert!(sink.metric("none").total_sum().is_err());
}

#[tokio::test]
async fn a_span_is_found_by_its_properties_and_each_can_fail() {
    let sink = Sink::start();
    let mut failed = wire::span("bad", 2, 1);
    failed.status = Some(opentelemetry_proto::tonic::trace::v1::Status {
        code: 2,
        message: String::new(),
    });
    let body = wire::traces("gateway", vec![wire::span("good", 1, 0), failed]);
    Sender::new()
        .post(sink.address(), "/v1/traces", body)
        .await
        .unwrap();

    let trace = "ab".repeat(16);
    sink.span("good")
        .kind(Kind::Server)
        .trace(&trace)
        .no_error()
        .service("gateway")
        .expect();
    sink.span("bad").error().expect();
    refuses(
        sink.span("good").kind(Kind::Client),
        "wanted kind CLIENT, but it is Server",
    );
    refuses(
        sink.span("good").trace("cd"),
        "wanted trace cd, but it is \"abab",
    );
    refuses(
        sink.span("good").error(),
        "wanted an error status, but it is Unset",
    );
    refuses(
        sink.span("bad").no_error(),
        "wanted no error status, but it is Error(\"\")",
    );
}

#[tokio::test]
async fn a_log_is_found_by_its_properties_and_each_can_fail() {
    let sink = Sink::start();
    let record = LogRecord {
        severity_text: "WARN".to_owned(),
        body: Some(AnyValue {
            value: Some(Wire::StringValue("late".to_owned())),
        }),
        event_name: "order.failed".to_owned(),
        trace_id: vec![0xab; 16],
        span_id: vec![1; 8],
        ..Default::default()
    };
    let body = wire::logs("order", vec![record]);
    Sender::new()
        .post(sink.address(), "/v1/logs", body)
        .await
        .unwrap();

    let trace = "ab".repeat(16);
    sink.log()
        .event("order.failed")
        .severity("WARN")
        .body("late")
        .trace(&trace)
        .expect();
    refuses(
        sink.log().event("x"),
        "wanted event \"x\", but it is \"order.failed\"",
    );
    refuses(
        sink.log().severity("INFO"),
        "wanted severity INFO, but it is \"WARN\"",
    );
    refuses(
        sink.log().body("early"),
        "wanted body \"early\", but it is String(\"late\")",
    );
    refuses(
        sink.log().trace("cd"),
        "wanted trace Some(\"cd\"), but it is Some(\"abab",
    );
}

#[test]
fn eventually_waits_for_what_another_thread_sends() {
    let sink = Sink::start();
    let address = sink.address();
    let sender = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            Sender::new()
                .post(address, "/v1/traces", wire::spans(1))
                .await
        });
    });
    sink.span("GET /").eventually();
    sender.join().unwrap();
}

#[test]
#[should_panic(expected = "expected no metric with any name, found 1")]
fn none_refuses_what_is_there() {
    one_point().check("any name", |_| Ok(())).none();
}

#[test]
#[should_panic(expected = "nothing matches: metric with impossible")]
fn expect_refuses_what_is_not_there() {
    one_point()
        .check("impossible", |_| Err("possible".to_owned()))
        .expect();
}

#[test]
fn none_accepts_what_does_not_match() {
    one_point()
        .check("impossible", |_| Err("possible".to_owned()))
        .none();
}

fn one_point() -> Matcher<Point> {
    let point = Point {
        name: "n".to_owned(),
        description: String::new(),
        unit: "1".to_owned(),
        kind: PointKind::Gauge,
        temporality: None,
        attributes: Default::default(),
        data: telemetry_testing::Data::Int(1),
        start: 0,
        time: 0,
        resource: Default::default(),
        scope: Default::default(),
    };
    Matcher::over("metric", move || vec![point.clone()])
}

#[track_caller]
fn refuses<T: telemetry_testing::Item + 'static>(matcher: Matcher<T>, reason: &str) {
    let Err(mismatch) = matcher.find() else {
        panic!("{matcher:?} matched")
    };
    let text = mismatch.to_string();
    assert!(text.contains(reason), "expected {reason:?} in:\n{text}");
}
