use std::net::TcpListener;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry::Context;
use opentelemetry::baggage::{Baggage, BaggageExt};
use opentelemetry::trace::{FutureExt, SpanKind, TraceContextExt, Tracer, TracerProvider};
use otel_tower::http::{ClientLayer, ServerLayer, UrlTemplate};
use tower::timeout::Timeout;
use tower::{Layer, ServiceExt};
use warp::Filter;

use crate::servers::{Running, get, http_client, send, warp_server};
use crate::telemetry::{Telemetry, attributes, is_error};

const DURATION: &str = "http.client.request.duration";
const ACTIVE: &str = "http.client.active_requests";

/// Answers with the status in the path and the context headers that it got.
async fn echo() -> Running {
    let routes = warp::path!(u16)
        .and(warp::header::headers_cloned())
        .map(|status: u16, headers: http::HeaderMap| {
            let text = |name: &str| match headers.get(name) {
                Some(value) => value.to_str().unwrap().to_owned(),
                None => "none".to_owned(),
            };
            let names = ["traceparent", "tracestate", "baggage"];
            let seen = names.map(text).join(" ");
            let mut response = Response::new(seen.into());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        })
        .boxed();
    // Its own telemetry, which nobody reads.
    let layer = ServerLayer::new(&Telemetry::new().instrumentation);
    warp_server::<warp::reply::Response>(layer, routes).await
}

#[tokio::test]
async fn a_request_gives_a_client_span_and_a_duration_and_carries_context() {
    let telemetry = Telemetry::new();
    let server = echo().await;
    let client = http_client(&telemetry);
    let mut request = get(&server.url("/200?token=secret"));
    request.extensions_mut().insert(UrlTemplate("/{status}"));

    let parent = telemetry.tracers.tracer("test").start("parent");
    let mut baggage = Baggage::new();
    baggage.insert("shop.fault", "long-request");
    let context = Context::current_with_span(parent).with_baggage(baggage);
    let parent_id = context.span().span_context().span_id();
    let response = send(&client, request).with_context(context).await;

    let span = telemetry.span(SpanKind::Client).await;
    assert_eq!(span.name, "GET /{status}");
    assert_eq!(span.parent_span_id, parent_id);
    let ids = (span.span_context.trace_id(), span.span_context.span_id());
    let expected = format!("00-{}-{}-01 none shop.fault=long-request", ids.0, ids.1);
    assert_eq!(response.body(), &expected);

    let port = format!("i:{}", server.address.port());
    let url = format!("http://{}/200?REDACTED", server.address);
    let expected = [
        ("http.request.method", "GET"),
        ("http.response.status_code", "i:200"),
        ("network.protocol.version", "1.1"),
        ("server.address", "127.0.0.1"),
        ("server.port", port.as_str()),
        ("url.full", url.as_str()),
        ("url.template", "/{status}"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(attributes(&span), expected.into_iter().collect());
    assert!(!is_error(&span));

    let target = [
        ("http.request.method", "GET"),
        ("server.address", "127.0.0.1"),
        ("server.port", port.as_str()),
        ("url.template", "/{status}"),
    ];
    let answer = [
        ("http.response.status_code", "i:200"),
        ("network.protocol.version", "1.1"),
    ];
    let point = telemetry.settled(DURATION, ACTIVE).await;
    point.assert(&[target.as_slice(), answer.as_slice()].concat());
    telemetry.points(ACTIVE)[0].assert(&target);
}

#[tokio::test]
async fn outside_a_span_a_request_begins_a_trace_and_what_a_proxy_copied_is_not_sent() {
    let telemetry = Telemetry::new();
    let server = echo().await;
    let mut request = get(&server.url("/200"));
    for (name, value) in [("tracestate", "stale=1"), ("baggage", "stale=1")] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let response = send(&http_client(&telemetry), request).await;
    let span = telemetry.span(SpanKind::Client).await;
    assert_eq!(span.name, "GET");
    let ids = (span.span_context.trace_id(), span.span_context.span_id());
    let expected = format!("00-{}-{}-01 none none", ids.0, ids.1);
    assert_eq!(response.body(), &expected);
}

#[tokio::test]
async fn a_status_of_400_or_more_is_an_error_also_when_its_body_is_dropped_unread() {
    for (status, error) in [
        (204, None),
        (302, None),
        (404, Some("404")),
        (500, Some("500")),
    ] {
        let telemetry = Telemetry::new();
        let server = echo().await;
        let request = get(&server.url(&format!("/{status}")));
        let response = http_client(&telemetry).oneshot(request).await.unwrap();
        if error.is_some() {
            assert!(response.headers()[CONTENT_LENGTH] != "0");
            drop(response);
        } else {
            http_body_util::BodyExt::collect(response.into_body())
                .await
                .unwrap();
        }
        let span = telemetry.span(SpanKind::Client).await;
        assert_eq!(is_error(&span), error.is_some(), "{status}");
        assert_eq!(
            attributes(&span).get("error.type").map(String::as_str),
            error
        );
        let point = telemetry.settled(DURATION, ACTIVE).await;
        assert_eq!(
            point.attributes.get("error.type").map(String::as_str),
            error
        );
    }
}

/// One request that gets no response: its `error.type`.
async fn failure(telemetry: &Telemetry) -> String {
    let span = telemetry.span(SpanKind::Client).await;
    assert!(is_error(&span));
    let error = attributes(&span).remove("error.type").unwrap();
    let point = telemetry.settled(DURATION, ACTIVE).await;
    assert_eq!(point.attributes["error.type"], error);
    assert!(!point.attributes.contains_key("http.response.status_code"));
    error
}

#[tokio::test]
async fn a_refused_connection_is_of_class_connect() {
    let telemetry = Telemetry::new();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let request = get(&format!("http://{free}/"));
    http_client(&telemetry).oneshot(request).await.unwrap_err();
    assert_eq!(failure(&telemetry).await, "connect");
}

#[tokio::test]
async fn a_timeout_inside_the_layer_is_of_class_timeout() {
    let telemetry = Telemetry::new();
    // Accepts by its backlog and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let request = get(&format!("http://{}/", silent.local_addr().unwrap()));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let client = Timeout::new(client, Duration::from_millis(20));
    let client = ClientLayer::new(&telemetry.instrumentation).layer(client);
    client.oneshot(request).await.unwrap_err();
    assert_eq!(failure(&telemetry).await, "timeout");
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_of_class_other() {
    let telemetry = Telemetry::new();
    let rude = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let request: Request<Full<bytes::Bytes>> =
        get(&format!("http://{}/", rude.local_addr().unwrap()));
    let client = http_client(&telemetry);
    // The accepted connection is dropped at once.
    let hang_up = async { drop(rude.accept().await) };
    let (answer, ()) = tokio::join!(client.oneshot(request), hang_up);
    answer.unwrap_err();
    assert_eq!(failure(&telemetry).await, "other");
}
