//! What is sent is what a test reads.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, any_value::Value as Wire};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::{Span as WireSpan, Status as WireStatus, span};
use telemetry_testing::{Kind, Signal, Sink, Status, Value};

use crate::wire::{self, Sender};

#[tokio::test]
async fn a_span_arrives_with_everything_it_carried() {
    let sink = Sink::start();
    let sent = WireSpan {
        kind: 3,
        status: Some(WireStatus {
            code: 2,
            message: "refused".to_owned(),
        }),
        attributes: vec![
            wire::int("http.response.status_code", 503),
            wire::attribute(
                "list",
                Wire::ArrayValue(ArrayValue {
                    values: vec![AnyValue {
                        value: Some(Wire::BoolValue(true)),
                    }],
                }),
            ),
        ],
        events: vec![span::Event {
            time_unix_nano: 2_000,
            name: "retry".to_owned(),
            attributes: vec![wire::attribute("wait", Wire::DoubleValue(0.5))],
            ..Default::default()
        }],
        links: vec![span::Link {
            trace_id: vec![0xcd; 16],
            span_id: vec![0xef; 8],
            ..Default::default()
        }],
        ..wire::span("POST", 2, 1)
    };
    let answer = Sender::new()
        .post(
            sink.address(),
            "/v1/traces",
            wire::traces("gateway", vec![sent]),
        )
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.is_empty(), "full success is an empty message");

    let spans = sink.trace(&"ab".repeat(16));
    let [span] = spans.as_slice() else {
        panic!("one span, got {spans:?}")
    };
    assert_eq!(span.span_id, "02".repeat(8));
    assert_eq!(span.parent_span_id, Some("01".repeat(8)));
    assert_eq!(span.name, "POST");
    assert_eq!(span.kind, Kind::Client);
    assert_eq!(span.status, Status::Error("refused".to_owned()));
    assert_eq!(span.attributes.int("http.response.status_code"), Some(503));
    assert_eq!(
        span.attributes.get("list"),
        Some(&Value::Array(vec![Value::Bool(true)]))
    );
    assert_eq!(span.events[0].name, "retry");
    assert_eq!(span.events[0].time, 2_000);
    assert_eq!(span.events[0].attributes.get("wait"), Some(&0.5.into()));
    assert_eq!(span.links[0].trace_id, "cd".repeat(16));
    assert_eq!(span.links[0].span_id, "ef".repeat(8));
    assert_eq!(span.service(), "gateway");
    assert_eq!(
        (span.scope.name.as_str(), span.scope.version.as_str()),
        ("wire", "1.2.3")
    );
    assert_eq!(
        span.scope.schema_url,
        "https://opentelemetry.io/schemas/1.42.0"
    );
    assert_eq!(span.duration().as_nanos(), 2_500);
    assert!(sink.trace(&"cd".repeat(16)).is_empty(), "another trace");
}

#[tokio::test]
async fn a_log_record_arrives_with_everything_it_carried() {
    let sink = Sink::start();
    let body = |text: &str| {
        Some(AnyValue {
            value: Some(Wire::StringValue(text.to_owned())),
        })
    };
    let inside = LogRecord {
        time_unix_nano: 1_700_000_000_123_456_789,
        observed_time_unix_nano: 1_700_000_000_123_456_999,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: body("order placed"),
        attributes: vec![wire::string("event.name", "order.placed")],
        flags: 1,
        trace_id: vec![0xab; 16],
        span_id: vec![2; 8],
        ..Default::default()
    };
    let outside = LogRecord {
        body: body("started"),
        event_name: "service.started".to_owned(),
        ..Default::default()
    };
    Sender::new()
        .post(
            sink.address(),
            "/v1/logs",
            wire::logs("order", vec![inside, outside]),
        )
        .await
        .unwrap();

    let logs = sink.logs();
    assert_eq!(logs.len(), 2);
    assert_eq!(logs[0].time, 1_700_000_000_123_456_789);
    assert_eq!(logs[0].observed, 1_700_000_000_123_456_999);
    assert_eq!(
        (logs[0].severity.as_str(), logs[0].severity_number),
        ("INFO", 9)
    );
    assert_eq!(logs[0].body, "order placed".into());
    assert_eq!(logs[0].event(), Some("order.placed"));
    assert_eq!(logs[0].flags, 1);
    assert_eq!(logs[0].trace_id, Some("ab".repeat(16)));
    assert_eq!(logs[0].span_id, Some("02".repeat(8)));
    assert_eq!(logs[0].service(), "order");
    assert_eq!(logs[1].event(), Some("service.started"));
    assert_eq!((&logs[1].trace_id, &logs[1].span_id), (&None, &None));
}

#[tokio::test]
async fn the_request_log_has_path_items_status_and_order() {
    let sink = Sink::start();
    let sender = Sender::new();
    sender
        .post(sink.address(), "/v1/traces", wire::spans(3))
        .await
        .unwrap();
    sender
        .post(sink.address(), "/v1/logs", wire::logs("x", Vec::new()))
        .await
        .unwrap();

    let requests = sink.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].path, "/v1/traces");
    assert_eq!(requests[0].signal, Some(Signal::Traces));
    assert_eq!((requests[0].items, requests[0].status), (3, Some(200)));
    assert_eq!(requests[1].path, "/v1/logs");
    assert_eq!((requests[1].items, requests[1].status), (0, Some(200)));
    assert!(requests[0].at < requests[1].at);
}

#[tokio::test]
async fn what_a_collector_would_refuse_is_refused_and_not_kept() {
    let sink = Sink::start();
    let sender = Sender::new();
    let url = |path: &str| format!("{}{path}", sink.endpoint());
    let body = || Full::new(Bytes::from(wire::spans(1)));

    let wrong_path = sender
        .post(sink.address(), "/v1/spans", wire::spans(1))
        .await;
    assert_eq!(wrong_path.unwrap().status, StatusCode::NOT_FOUND);

    let json = Request::post(url("/v1/traces"))
        .header("content-type", "application/json")
        .body(body())
        .unwrap();
    let answer = sender.send(json).await.unwrap();
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);

    let put = Request::put(url("/v1/traces"))
        .header("content-type", "application/x-protobuf")
        .body(body())
        .unwrap();
    assert_eq!(
        sender.send(put).await.unwrap().status,
        StatusCode::METHOD_NOT_ALLOWED
    );

    let broken = sender
        .post(sink.address(), "/v1/traces", vec![0xff; 9])
        .await;
    assert_eq!(broken.unwrap().status, StatusCode::BAD_REQUEST);

    assert!(sink.spans().is_empty());
    let statuses: Vec<_> = sink.requests().iter().map(|r| r.status).collect();
    assert_eq!(statuses, [Some(404), Some(415), Some(405), Some(400)]);
}
