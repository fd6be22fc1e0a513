//! Queries as spans and a metric, also when they are given up.

use std::future::pending;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};

use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use opentelemetry::global::BoxedTracer;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use telemetry::db::{Database, Failure, Query};

use crate::process::Metrics;

const LOOKUP: Query = Query {
    operation: "SELECT",
    collection: "products",
};

struct Tested {
    database: Database<String>,
    tracers: SdkTracerProvider,
    spans: InMemorySpanExporter,
    metrics: Metrics,
}

impl Tested {
    fn start() -> Self {
        let spans = InMemorySpanExporter::default();
        let tracers = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .build();
        let metrics = Metrics::start();
        let tracer = BoxedTracer::new(Box::new(tracers.tracer("test")));
        let meter = metrics.provider.meter("test");
        let classify = |error: &String| match error.as_str() {
            "database is locked" => Failure::Code("5".into()),
            _ => Failure::Named("other"),
        };
        Self {
            database: Database::with("sqlite", "product", classify, tracer, &meter),
            tracers,
            spans,
            metrics,
        }
    }

    fn spans(&self) -> Vec<SpanData> {
        self.spans.get_finished_spans().unwrap()
    }

    /// The attributes and count of each point of the metric.
    fn points(&self) -> Vec<(Vec<String>, u64)> {
        self.metrics
            .histogram("db.client.operation.duration", |point| {
                let pairs = point
                    .attributes()
                    .map(|pair| format!("{}={}", pair.key, pair.value));
                let mut pairs: Vec<String> = pairs.collect();
                pairs.sort();
                (pairs, point.count())
            })
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn attributes(span: &SpanData) -> Vec<String> {
    let mut pairs: Vec<String> = span
        .attributes
        .iter()
        .map(|pair| format!("{}={}", pair.key, pair.value))
        .collect();
    pairs.sort();
    pairs
}

const OF_THE_QUERY: [&str; 4] = [
    "db.collection.name=products",
    "db.namespace=product",
    "db.operation.name=SELECT",
    "db.system.name=sqlite",
];

#[test]
fn a_query_is_a_client_span_and_a_point_of_the_histogram() {
    let tested = Tested::start();
    let found = block_on(tested.database.run(LOOKUP, async { Ok(7) }));
    assert_eq!(found, Ok(7));

    let spans = tested.spans();
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].name, "SELECT products");
    assert_eq!(spans[0].span_kind, SpanKind::Client);
    assert_eq!(spans[0].status, Status::Unset);
    let mut expected = [
        OF_THE_QUERY.as_slice(),
        &["db.query.summary=SELECT products"],
    ]
    .concat();
    expected.sort_unstable();
    assert_eq!(attributes(&spans[0]), expected);

    assert_eq!(
        tested.points(),
        [(OF_THE_QUERY.map(str::to_owned).to_vec(), 1)]
    );
    assert_eq!(tested.metrics.unit("db.client.operation.duration"), "s");
    let bounds = tested
        .metrics
        .histogram("db.client.operation.duration", |point| {
            point.bounds().collect::<Vec<_>>()
        });
    assert_eq!(
        bounds,
        [[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0]]
    );
}

#[test]
fn a_failed_query_has_its_class_in_both_and_its_message_in_neither() {
    let code = ["db.response.status_code=5", "error.type=5"];
    for (message, told) in [
        ("database is locked", code.as_slice()),
        ("no such user: Ada", &["error.type=other"]),
    ] {
        let tested = Tested::start();
        let failed = async { Err::<(), _>(message.to_owned()) };
        let failed = block_on(tested.database.run(LOOKUP, failed));
        assert_eq!(failed, Err(message.to_owned()));

        let span = &tested.spans()[0];
        assert_eq!(span.status, Status::error(""));
        let mut expected = [OF_THE_QUERY.as_slice(), told].concat();
        expected.sort_unstable();
        let owned = expected.iter().map(|pair| (*pair).to_owned()).collect();
        assert_eq!(tested.points(), [(owned, 1)]);
        expected.push("db.query.summary=SELECT products");
        expected.sort_unstable();
        assert_eq!(attributes(span), expected);
    }
}

#[test]
fn a_query_given_up_ends_as_cancelled_exactly_once() {
    let tested = Tested::start();
    {
        let query = pin!(tested.database.run(LOOKUP, pending::<Result<(), String>>()));
        let mut task = TaskContext::from_waker(Waker::noop());
        assert!(query.poll(&mut task).is_pending());
        assert_eq!(tested.spans().len(), 0, "it runs");
    }
    let spans = tested.spans();
    assert_eq!(spans.len(), 1);
    assert!(attributes(&spans[0]).contains(&"error.type=cancelled".to_owned()));
    assert!(matches!(spans[0].status, Status::Error { .. }));
    let points = tested.points();
    assert_eq!(points.len(), 1);
    assert_eq!(points[0].1, 1);
    assert!(
        points[0].0.contains(&"error.type=cancelled".to_owned()),
        "{points:?}"
    );
}

#[test]
fn a_query_that_was_never_polled_never_was() {
    let tested = Tested::start();
    drop(tested.database.run(LOOKUP, pending::<Result<(), String>>()));
    assert_eq!(tested.spans().len(), 0);
}

#[test]
fn the_span_is_the_callers_child_and_current_while_the_query_is_polled() {
    let tested = Tested::start();
    let tracer = tested.tracers.tracer("test");
    let caller = Context::new().with_span(tracer.start("order.store"));
    let caller_id = caller.span().span_context().span_id();
    let run = async {
        let current = tested
            .database
            .run(LOOKUP, async { Ok(current_span()) })
            .await;
        (current.unwrap(), current_span())
    };
    let (during, after) = block_on(run.with_context(caller));

    let query = &tested.spans()[0];
    assert_eq!(query.parent_span_id, caller_id);
    assert_eq!(during, query.span_context.span_id());
    assert_eq!(after, caller_id);
}

fn current_span() -> SpanId {
    Context::map_current(|context| context.span().span_context().span_id())
}

#[test]
fn a_query_that_waits_leaves_its_span_current_for_nobody_else() {
    let tested = Tested::start();
    let query = pin!(tested.database.run(LOOKUP, pending::<Result<(), String>>()));
    let mut task = TaskContext::from_waker(Waker::noop());
    assert!(matches!(query.poll(&mut task), Poll::Pending));
    assert_eq!(current_span(), SpanId::INVALID);
}
