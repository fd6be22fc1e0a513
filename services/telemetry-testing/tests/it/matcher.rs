//! Every condition finds what it should, and says what it found instead when it does not.

use telemetry_testing::{
    Attributes, Data, Item, Kind, Log, Matcher, Point, PointKind, Scope, Sink, Span, Status,
    Temporality,
};

use crate::wire::{self, Sender, counter};

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).into());
    Attributes(pairs.iter().map(owned).collect())
}

fn histogram(name: &str, route: &str, count: u64, sum: f64) -> Point {
    let mut point = Point {
        name: name.to_owned(),
        description: String::new(),
        unit: "s".to_owned(),
        kind: PointKind::Histogram,
        temporality: Some(Temporality::Cumulative),
        attributes: attributes(&[("http.route", route)]),
        data: Data::Histogram {
            count,
            sum,
            bounds: vec![0.1],
            buckets: vec![count, 0],
        },
        start: 0,
        time: 1,
        resource: attributes(&[("service.name", "gateway")]),
        scope: Scope::default(),
    };
    let status = "http.response.status_code".to_owned();
    point.attributes.insert(status, 200_i64.into());
    point
}

fn metrics(points: &[Point]) -> Matcher<Point> {
    let points = points.to_vec();
    Matcher::over("metric", move || points.clone())
}

#[track_caller]
fn refuses<T: Item + 'static>(matcher: Matcher<T>, reason: &str) {
    let Err(mismatch) = matcher.find() else {
        panic!("{matcher:?} matched")
    };
    let text = mismatch.to_string();
    assert!(text.contains(reason), "expected {reason:?} in:\n{text}");
}

#[test]
fn each_metric_condition_can_hold_and_fail() {
    let metric = || metrics(&[histogram("duration", "/x", 3, 0.6)]).name("duration");
    metric()
        .unit("s")
        .kind(PointKind::Histogram)
        .service("gateway")
        .attribute("http.route", "/x")
        .attribute("http.response.status_code", 200_i64)
        .has_attribute("http.route")
        .without_attribute("error.type")
        .expect();
    for (matcher, reason) in [
        (
            metric().name("other"),
            r#"name "other", but it is "duration""#,
        ),
        (metric().unit("ms"), r#"unit "ms", but it is "s""#),
        (
            metric().kind(PointKind::Gauge),
            "kind Gauge, but it is Histogram",
        ),
        (
            metric().service("order"),
            r#"resource service.name="order", but it is "gateway""#,
        ),
        (
            metric().attribute("http.route", "/y"),
            r#"http.route="/y", but it is "/x""#,
        ),
        (
            metric().attribute("colour", "red"),
            r#"colour="red", but it is absent"#,
        ),
        // The type counts: a status exported as text is a defect.
        (
            metric().attribute("http.response.status_code", "200"),
            r#"http.response.status_code="200", but it is 200"#,
        ),
        (
            metric().has_attribute("error.type"),
            "error.type present, but it is absent",
        ),
        (
            metric().without_attribute("http.route"),
            r#"http.route absent, but it is "/x""#,
        ),
        (
            metric().check("luck", |_| Err("none".to_owned())),
            "luck, but it is none",
        ),
    ] {
        refuses(matcher, &format!("wanted {reason}"));
    }
}

#[test]
fn each_span_condition_can_hold_and_fail() {
    let mut bad = Span::of_service("gateway", Kind::Server, "bad");
    bad.status = Status::Error(String::new());
    let spans = [Span::of_service("gateway", Kind::Server, "good"), bad];
    let span = |name: &str| {
        let spans = spans.to_vec();
        Matcher::<Span>::over("span", move || spans.clone()).name(name)
    };
    let trace = &spans[0].trace_id;
    span("good")
        .kind(Kind::Server)
        .trace(trace)
        .no_error()
        .expect();
    span("bad").error().expect();
    refuses(
        span("good").kind(Kind::Client),
        "wanted kind CLIENT, but it is Server",
    );
    refuses(
        span("good").trace("cd"),
        "wanted trace cd, but it is \"0af7",
    );
    refuses(
        span("good").error(),
        "wanted an error status, but it is Unset",
    );
    refuses(
        span("bad").no_error(),
        "wanted no error status, but it is Error(\"\")",
    );
}

#[test]
fn each_log_condition_can_hold_and_fail() {
    let record = Log {
        time: 1,
        observed: 1,
        severity: "WARN".to_owned(),
        severity_number: 13,
        event_name: "order.failed".to_owned(),
        body: "late".into(),
        attributes: Attributes::default(),
        trace_id: Some("ab".repeat(16)),
        span_id: None,
        flags: 1,
        resource: Attributes::default(),
        scope: Scope::default(),
    };
    let log = || {
        let record = record.clone();
        Matcher::<Log>::over("log record", move || vec![record.clone()])
    };
    let trace = "ab".repeat(16);
    log()
        .event("order.failed")
        .severity("WARN")
        .body("late")
        .trace(&trace)
        .expect();
    refuses(
        log().event("x"),
        "wanted event \"x\", but it is \"order.failed\"",
    );
    refuses(
        log().severity("INFO"),
        "wanted severity INFO, but it is \"WARN\"",
    );
    refuses(
        log().body("early"),
        "wanted body \"early\", but it is String(\"late\")",
    );
    refuses(
        log().trace("cd"),
        "wanted trace Some(\"cd\"), but it is Some(\"abab",
    );
}

#[test]
fn a_mismatch_lists_the_nearest_first() {
    let points = [
        histogram("far", "/far", 1, 0.1),
        histogram("duration", "/near", 1, 0.1),
    ];
    let matcher = metrics(&points)
        .name("duration")
        .attribute("http.route", "/x");
    let mismatch = matcher.find().unwrap_err();
    let text = mismatch.to_string();
    assert!(
        text.find("/near").unwrap() < text.find("/far").unwrap(),
        "{text}"
    );
    assert!(text.contains("looked at 2"), "{text}");
    assert_eq!(format!("{mismatch:?}"), text, "a poll prints it readably");
    refuses(metrics(&[]), "nothing of the kind has arrived at all");
}

#[tokio::test]
async fn a_total_takes_the_newest_value_of_each_series_and_sums_what_matches() {
    let (sink, sender) = (Sink::start(), Sender::new());
    let placed = [wire::string("outcome", "placed")];
    let rejected = [wire::string("outcome", "rejected")];
    for (service, metrics) in [
        (
            "order",
            vec![
                counter("orders", &placed, 1, 10),
                counter("orders", &rejected, 5, 10),
            ],
        ),
        ("order", vec![counter("orders", &placed, 4, 20)]),
        ("gateway", vec![counter("orders", &placed, 100, 20)]),
    ] {
        let body = wire::metrics(service, metrics);
        let sent = sender.post(sink.address(), "/v1/metrics", body);
        sent.await.unwrap();
    }
    assert_eq!((sink.metrics().len(), sink.latest_metrics().len()), (4, 3));
    let orders = || sink.metric("orders").service("order");
    assert_eq!(orders().total().unwrap(), 9.0);
    assert_eq!(
        orders().attribute("outcome", "placed").total().unwrap(),
        4.0
    );
    orders().total_is(9.0).unwrap();
    let other = orders().total_is(8.0).unwrap_err().to_string();
    assert!(other.contains("the total is 9, not 8"), "{other}");
    assert!(sink.metric("none").total().is_err(), "absent is not zero");
}

#[test]
fn a_total_of_histograms_counts_values_and_sums_them() {
    let points = [
        histogram("duration", "/x", 3, 0.5),
        histogram("duration", "/y", 2, 0.25),
    ];
    assert_eq!(metrics(&points).total().unwrap(), 5.0);
    assert_eq!(metrics(&points).total_sum().unwrap(), 0.75);
}

#[test]
fn eventually_waits_for_what_another_thread_sends() {
    let sink = Sink::start();
    let address = sink.address();
    let sender = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let sender = Sender::new();
        let sent = sender.post(address, "/v1/traces", wire::spans(1));
        runtime.unwrap().block_on(sent)
    });
    sink.span("GET /").eventually();
    sender.join().unwrap();
}

#[test]
#[should_panic(expected = "expected no metric with any name, found 1")]
fn none_refuses_what_is_there() {
    let one = || metrics(&[histogram("n", "/", 1, 1.0)]);
    one().name("other").none();
    one().check("any name", |_| Ok(())).none();
}

#[test]
#[should_panic(expected = "nothing matches: metric with name \"x\"")]
fn expect_refuses_what_is_not_there() {
    metrics(&[histogram("n", "/", 1, 1.0)]).name("x").expect();
}
