//! What arrives, and what it carries.

use telemetry_testing::{Kind, PointKind, Sink, Value, poll};

use crate::support::{Isolated, SERVICE, config, greet, greeter};

#[test]
fn span_record_and_metric_arrive_with_one_resource() {
    let sink = Sink::start();
    let given = (
        "OTEL_RESOURCE_ATTRIBUTES",
        "team=a%20b,deployment.environment.name=ci",
    );
    let child = greeter(&sink.endpoint(), &[given]);
    greet(child.listening());
    let span = sink
        .span("greet")
        .kind(Kind::Internal)
        .service("greeter")
        .eventually();
    let record = sink.log().event("greeter.greeted").eventually();
    poll("the count", || {
        sink.metric("greeter.greetings")
            .kind(PointKind::Counter)
            .total_is(1.0)
    });
    let point = sink.metric("greeter.greetings").expect();

    for resource in [&span.resource, &record.resource, &point.resource] {
        assert_eq!(resource.text("service.namespace"), Some("shop"));
        assert_eq!(
            resource.text("service.version"),
            Some(env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(resource.text("team"), Some("a b"));
        assert_eq!(resource.text("deployment.environment.name"), Some("ci"));
        assert_eq!(resource.text("os.type"), Some(std::env::consts::OS));
        assert_eq!(resource.int("process.pid"), Some(i64::from(child.id())));
        assert_eq!(resource.text("telemetry.sdk.language"), Some("rust"));
        let instance = resource.text("service.instance.id").unwrap();
        assert_eq!(
            (instance.len(), instance.as_bytes()[14]),
            (36, b'7'),
            "{instance}"
        );
        let told: Vec<_> = resource
            .keys()
            .filter(|key| key.contains("command"))
            .collect();
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn a_record_inside_a_span_carries_its_ids_over_otlp_and_in_the_file() {
    let sink = Sink::start();
    let child = greeter(&sink.endpoint(), &[]);
    greet(child.listening());
    let span = sink.span("greet").eventually();
    let record = sink.log().event("greeter.greeted").eventually();
    assert_eq!(record.trace_id.as_ref(), Some(&span.trace_id));
    assert_eq!(record.span_id.as_ref(), Some(&span.span_id));

    let line = poll("the line in the file", || {
        let lines = child.log_lines();
        let line = lines
            .iter()
            .find(|line| line["event.name"] == "greeter.greeted");
        line.cloned().ok_or(lines)
    });
    assert_eq!(line["trace_id"], *span.trace_id);
    assert_eq!(line["span_id"], *span.span_id);
    assert_eq!(line["service"], "greeter");
    let outside = sink.log().event("service.listening").eventually();
    assert_eq!((outside.trace_id, outside.span_id), (None, None));
}

#[test]
fn a_span_carries_no_attributes_of_the_machinery() {
    let sink = Sink::start();
    let child = greeter(&sink.endpoint(), &[]);
    greet(child.listening());
    let span = sink.span("greet").eventually();
    let keys: Vec<_> = span.attributes.keys().collect();
    assert_eq!(keys, Vec::<&str>::new());
}

#[test]
fn histograms_of_seconds_get_buckets_of_seconds() {
    use opentelemetry::metrics::MeterProvider;

    let sink = Sink::start();
    let tested = Isolated::start(&sink, &[]);
    let meter = tested.telemetry.meters().meter("test");
    for (name, unit) in [
        ("a.duration", "s"),
        ("db.a.duration", "s"),
        ("a.value", "EUR"),
    ] {
        meter
            .f64_histogram(name)
            .with_unit(unit)
            .build()
            .record(0.2, &[]);
    }
    tested.telemetry.meters().force_flush().unwrap();
    let bounds = |name: &str| match sink.metric(name).expect().data {
        telemetry_testing::Data::Histogram { bounds, .. } => bounds,
        other => panic!("{other:?}"),
    };
    assert_eq!(bounds("a.duration"), telemetry::metrics::SECONDS);
    assert_eq!(
        bounds("db.a.duration"),
        telemetry::metrics::DATABASE_SECONDS
    );
    assert_eq!(bounds("a.value").last(), Some(&10_000.0));
}

#[test]
fn the_health_of_the_sdk_arrives_as_documented() {
    let sink = Sink::start();
    let child = greeter(&sink.endpoint(), &[]);
    greet(child.listening());
    sink.span("greet").eventually();
    sink.metric("greeter.greetings").eventually();
    let registry = contract::Registry::shipped().unwrap();
    poll("all of the SDK's metrics", || {
        let documented = registry.metrics.iter();
        let of_sdk = documented.filter(|metric| metric.name.starts_with("otel.sdk."));
        let missing: Vec<_> = of_sdk
            .filter(|metric| {
                let point = sink.metric(&metric.name).unit(&metric.unit);
                point.find().is_err()
            })
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(missing)
        }
    });
    // And nothing of the SDK that is not documented.
    for point in sink.metrics() {
        let Some(metric) = registry.metric(&point.name) else {
            assert!(
                !point.name.starts_with("otel.sdk."),
                "{} is not documented",
                point.name
            );
            continue;
        };
        for key in point.attributes.keys() {
            let mut documented = metric.attributes.iter();
            assert!(
                documented.any(|used| used.name == key),
                "{}: {key}",
                point.name
            );
        }
    }
}

#[test]
fn telemetry_can_be_started_once_and_a_second_start_changes_nothing() {
    let (sink, other) = (Sink::start(), Sink::start());
    let logs = tempfile::tempdir().unwrap();
    let config = |sink: &Sink| {
        config(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint()),
            ("SHOP_LOG_DIR", logs.path().display().to_string()),
        ])
    };
    let first = telemetry::Telemetry::start(&config(&sink)).unwrap();
    let Err(second) = telemetry::Telemetry::start(&config(&other)) else {
        panic!("started twice");
    };
    let refused = "telemetry was already started in this process";
    assert_eq!(second.to_string(), refused);

    let counter = telemetry::metrics::meter().u64_counter("after").build();
    counter.add(1, &[]);
    drop(first.shutdown(std::time::Duration::from_secs(5)));
    sink.metric("after").total_is(1.0).unwrap();
    assert_eq!(other.requests(), []);
}

#[tokio::test]
async fn a_spawned_task_stays_in_the_trace_and_the_span_of_its_caller() {
    use opentelemetry::trace::{FutureExt, TraceContextExt, Tracer, TracerProvider};
    use opentelemetry::{Context, KeyValue, baggage::BaggageExt};

    let sink = Sink::start();
    let tested = Isolated::start(&sink, &[]);
    let tracer = tested.telemetry.tracers().tracer("test");
    let parent = Context::current_with_span(tracer.start("parent"))
        .with_baggage([KeyValue::new("shop.fault", "none")]);
    let spawning = async {
        telemetry::spawn(async {
            let current = Context::current();
            let fault = current.baggage().get("shop.fault").map(ToString::to_string);
            (current.span().span_context().span_id(), fault)
        })
        .await
    };
    let (inside, fault) = spawning.with_context(parent.clone()).await.unwrap();
    assert_eq!(inside, parent.span().span_context().span_id());
    assert_eq!(fault.as_deref(), Some("none"));
}

#[test]
fn a_disabled_sdk_sends_nothing_and_still_logs_to_the_file() {
    let sink = Sink::start();
    let child = greeter(&sink.endpoint(), &[("OTEL_SDK_DISABLED", "true")]);
    greet(child.listening());
    child.terminate();
    let exit = child.wait();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert_eq!(sink.requests(), []);
    let greeted = exit
        .log_lines
        .iter()
        .any(|line| line["event.name"] == "greeter.greeted");
    assert!(greeted, "{:?}", exit.log_lines);
}

#[test]
fn a_service_that_the_environment_renames_has_that_name_in_both_lanes() {
    let sink = Sink::start();
    let child = greeter(&sink.endpoint(), &[("OTEL_SERVICE_NAME", "chosen")]);
    child.listening();
    child.terminate();
    let exit = child.wait();
    assert!(!exit.log_lines.is_empty());
    for line in &exit.log_lines {
        assert_eq!(line["service"], "chosen");
    }
    for record in sink.logs() {
        let name = record.resource.get("service.name");
        assert_eq!(name, Some(&Value::from("chosen")));
        let repeated = record.attributes.get("service");
        assert_eq!(repeated, None, "the resource says it");
    }
}

#[test]
fn the_environment_names_the_service() {
    let sink = Sink::start();
    let both = [
        ("OTEL_SERVICE_NAME", "chosen"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other"),
    ];
    let tested = Isolated::start(&sink, &both);
    tested.spans(1);
    let span = sink.span("work").service("chosen").eventually();
    assert_eq!(
        span.resource.get("service.version"),
        Some(&Value::from(SERVICE.version))
    );
    let attribute = config(
        &both[1..]
            .iter()
            .map(|(k, v)| (*k, (*v).to_owned()))
            .collect::<Vec<_>>(),
    );
    assert_eq!(attribute.service_name, "other");
}
